"""Two models compared on the same splits and neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.benchmark.run import SCORES, TYPE


def compare(a: xr.Dataset, b: xr.Dataset, *, score: str = "cc_norm") -> xr.Dataset:
    """Compute the differences of two models, paired over splits and neurons.

    Parameters
    ----------
    a, b
        Results of `aa1xr.benchmark.run` or `score_prediction` under one protocol.
    score
        "cc_norm", "cc_norm_deepstrf" or "cc_raw".

    Returns
    -------
    xarray.Dataset
        For the neurons that both results have:

        - `difference` [shape: (split, stimulus_type, neuron)]: the score of `a` minus that of `b`,
          each a mean over its seeds. NaN where one of them has no score;
        - `score_a`, `score_b` [shape: (stimulus_type, neuron)]: means over the splits in which both
          have a score.

        The attributes `model_a`, `model_b` and `score` say what was compared.

    Raises
    ------
    TypeError
        If one is no Dataset, such as `stored_scores`, which `table(..., baseline=...)` pairs.
    ValueError
        If the results have different protocols, sources, splits or classes of stimuli, or share no
        neuron. Results of other trials of the same source are not recognised.

    Notes
    -----
    A test set of three songs moves the scores of all models together, so a difference of two models
    varies less over splits than the scores do. The standard error over splits takes them as
    independent. Random splits share songs, so it is too small (Nadeau & Bengio 2003, Machine
    Learning, doi:10.1023/A:1024068626366, whose corrected variance is larger by the factor
    1 + n_splits * n_test / n_train).

    Examples
    --------
    The mean difference of an area, and its standard error over splits:

    >>> protocol = aa1xr.benchmark.Protocol("quick", 10.0, ("conspecific",), "random", n_splits=2)
    >>> ds = aa1xr.open_sample(dt_ms=protocol.dt_ms).sel(area="MLd").isel(neuron=[0, 1])
    >>> a, b = (aa1xr.benchmark.run(ds, protocol, model) for model in ("ridge-ln", "ridge"))
    >>> each = aa1xr.benchmark.compare(a, b).difference.mean("neuron")
    >>> mean, error = each.mean("split"), each.std("split", ddof=1) / each.sizes["split"] ** 0.5
    >>> mean.dims, error.dims
    (('stimulus_type',), ('stimulus_type',))
    """
    arguments.choice("score", score, SCORES)
    for name, result in (("a", a), ("b", b)):
        wanted = "a result of aa1xr.benchmark.run; `table` pairs stored scores, with a baseline"
        arguments.expect(name, result, xr.Dataset, wanted)
        schema.require(result, score, name=name, of="aa1xr.benchmark.run")
        if missing := sorted({"split", "seed", TYPE, "neuron"} - set(result[score].dims)):
            raise ValueError(
                f"{name} must have the dimension {missing[0]!r}, as aa1xr.benchmark.run gives it; "
                f"got {tuple(map(str, result[score].dims))}"
            )
    _check_alike(a, b)
    one, other = (result[score].mean("seed", keep_attrs=True) for result in (a, b))
    shared = one.indexes["neuron"].intersection(other.indexes["neuron"], sort=False)
    if shared.empty:
        raise ValueError("a and b must share neurons; they share none")
    one, other = one.sel(neuron=shared), other.sel(neuron=shared)
    both = one.notnull() & other.notnull()
    compared = xr.Dataset(
        {
            "difference": one - other,
            "score_a": one.where(both).mean("split"),
            "score_b": other.where(both).mean("split"),
        }
    )
    units = one.attrs.get("units", "1")
    for name, text in (("difference", "difference of"), ("score_a", "a:"), ("score_b", "b:")):
        compared[name].attrs = {"units": units, "long_name": f"{text} {score}"}
    models = {f"model_{name}": result.attrs.get("model", name) for name, result in _pair(a, b)}
    return compared.assign_attrs(models, score=score, protocol=a.attrs.get("protocol", ""))


def _pair(a: xr.Dataset, b: xr.Dataset) -> tuple[tuple[str, xr.Dataset], ...]:
    return ("a", a), ("b", b)


def _check_alike(a: xr.Dataset, b: xr.Dataset) -> None:
    """Refuse results that are not of the same splits of the same data."""

    def require_equal(what: str, one: Any, other: Any) -> None:
        if one != other:
            raise ValueError(
                f"a and b must have the same {what}; got {arguments.shown(one)} and "
                f"{arguments.shown(other)}. Run both models under one protocol"
            )

    for name in ("split", TYPE):
        require_equal(name, *(np.atleast_1d(each[name]).tolist() for each in (a, b)))
    names = {n for n in {**a.attrs, **b.attrs} if n == "protocol" or str(n).startswith("protocol_")}
    # Without options of a spectrogram, which a model may choose. Empty: not known.
    names |= {"source_sha256", "splits_sha256"}
    for name in sorted(names):
        values = [_plain(each.attrs.get(name, "")) for each in (a, b)]
        if "" not in values:
            require_equal(name, *values)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple | np.ndarray) else value
