"""Check a model before it runs: what it returns, whether a seed repeats it, causality."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from aa1xr.analysis.sel import sel
from aa1xr.benchmark.causality import changed, is_causal, same_before, with_probes
from aa1xr.benchmark.external import find_model
from aa1xr.benchmark.protocols import PROTOCOLS
from aa1xr.simulation import open_sample

#: Neurons of the sample: enough to see whether their order was kept.
_N_NEURONS = 5
#: Correlations of random rates are less, and differ by less as a rule.
_BY_CHANCE, _MARGIN = 0.2, 0.1


class ModelCheck(NamedTuple):
    """What `check_model` found.

    Attributes
    ----------
    name
        The model, as in tables.
    shape
        Of the prediction (neuron, stimulus, time).
    repeatable
        Whether the same seed gives the same prediction.
    seeded
        Whether another seed gives another prediction; None if the same seed does.
    causal
        Whether no rate depends on later bins of the spectrogram, of its own stimulus or of another
        one that is predicted in the same call. None if the model is not repeatable. The table
        marks models that are not causal.
    correlation
        Of the predictions with the responses of their own neurons to the test stimuli, mean.
    """

    name: str
    shape: tuple[int, ...]
    repeatable: bool
    seeded: bool | None
    causal: bool | None
    correlation: float


def check_model(model: Any) -> ModelCheck:
    """Fit a model to simulated neurons, and check what it predicts.

    The model is fitted four times to five simulated neurons and six songs, in bins of 5 ms.

    Parameters
    ----------
    model
        As in `aa1xr.benchmark.run`.

    Returns
    -------
    ModelCheck

    Raises
    ------
    ValueError
        If there is no such model, its prediction has the wrong shape or labels or is not finite,
        or its neurons seem to be in another order: the predictions of other neurons correlate
        better with the responses of most neurons.

    Examples
    --------
    >>> def mean_rate(known, split, stimuli):
    ...     return known.psth.mean(["stimulus", "time"]).broadcast_like(stimuli.spectrogram[:, 0])
    >>> check = aa1xr.benchmark.check_model(mean_rate)
    >>> check.shape, check.repeatable, check.seeded, check.causal
    ((5, 5, 434), True, False, True)
    """
    entrant = find_model(model)
    protocol = PROTOCOLS["cv10"]
    ds = sel(open_sample(dt_ms=protocol.dt_ms), type=list(protocol.types))
    heard = (ds["n_trials"] > 0).all("stimulus").compute()
    ds = protocol.prepare(ds.isel(neuron=np.flatnonzero(heard)[:_N_NEURONS])).compute()
    split = protocol.splits(ds)[0]
    known = ds.sel(stimulus=[*split.train, *split.validation])
    stimuli, changes = with_probes(ds.sel(stimulus=split.test)[["spectrogram"]])
    later = changed(stimuli, changes[1])
    first, same, seeded, of_later = (
        entrant.predict(known, split, sounds, seed, None).compute()
        for sounds, seed in ((stimuli, 0), (stimuli, 0), (stimuli, 1), (later, 0))
    )
    values = first.values
    if not np.isfinite(values).all():
        where = np.unravel_index(int((~np.isfinite(values)).argmax()), values.shape)
        at = [str(first[dim].values[k]) for dim, k in zip(first.dims, where, strict=True)]
        raise ValueError(
            f"the model {entrant.name!r} must predict finite rates; got {values[where]} for "
            f"neuron {at[0]}, stimulus {at[1]}, time {at[2]} s (and "
            f"{int((~np.isfinite(values)).sum()) - 1} more)"
        )
    rates = ds["psth"].sel(stimulus=split.test).transpose("neuron", "stimulus", "time").values
    bins = ~np.isnan(rates).any(0)
    predicted = first.sel(stimulus=split.test).values[:, bins]
    n = len(rates)
    with np.errstate(invalid="ignore", divide="ignore"):  # of a constant prediction
        agree = np.corrcoef(predicted, rates[:, bins])[:n, n:]
    best = np.nan_to_num(agree).max(0)
    other = ((best > _BY_CHANCE) & (best - np.diag(agree) > _MARGIN)).sum()
    if other > n / 2:
        raise ValueError(
            f"the model {entrant.name!r} must predict the neurons in the order of "
            "known.neuron.values; the predictions of others correlate better with the responses "
            f"of {other} of {n} neurons"
        )
    repeatable = bool(np.array_equal(values, same.values))
    causal = is_causal(first, changes).all() and same_before(first, of_later, changes[1]).all()
    return ModelCheck(
        entrant.name,
        values.shape,
        repeatable,
        not np.array_equal(values, seeded.values) if repeatable else None,
        bool(causal) if repeatable else None,
        float(np.nan_to_num(np.diag(agree)).mean()),
    )
