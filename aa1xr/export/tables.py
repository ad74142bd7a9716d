"""Neurons, stimuli and trials as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import measures
from aa1xr.analysis.counts import spike_counts
from aa1xr.analysis.quality import quality as measure_quality
from aa1xr.analysis.trial_checks import presented
from aa1xr.dataset.events import AXES
from aa1xr.typing import Bools, Floats


def neurons(ds: xr.Dataset, *, quality: bool = False) -> pd.DataFrame:
    """Return a table with one row per neuron.

    Stimuli, trials and spikes are those of `ds`, so a selection of stimuli or trials changes the
    numbers.

    Parameters
    ----------
    ds
        A Dataset with `spikes` and `n_trials`, or a selection of one.
    quality
        Whether to add the measures of `aa1xr.quality`. Measures that use the spontaneous rate need
        `before_ms`.

    Returns
    -------
    pandas.DataFrame
        Indexed by `neuron`, in the order of `ds`:

        - every label of the neurons, your own included: `area`, `animal_id`, `cell_seq`, `rig`;
        - `n_stimuli`, `n_trials`: number of stimuli presented to the neuron, and of their trials;
        - `n_stimuli_conspecific`, `n_trials_conspecific`, and so on for each stimulus type;
        - `n_spikes`: number of spikes in these trials, in the bins while the stimulus plays;
        - if `quality`: `rate_spontaneous`, `rate_driven`, ... as in `aa1xr.quality`. NaN where
          undefined.

    Raises
    ------
    ValueError
        If the Dataset lacks a variable, or `spikes` and `n_trials` contradict each other.

    Warns
    -----
    UndefinedWarning
        As in `aa1xr.quality`.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> table = aa1xr.neurons(ds)
    >>> table.loc["sim0000_2_A", ["n_stimuli_conspecific", "n_stimuli_flatrip"]].to_list()
    [0, 5]
    >>> table.to_csv(tmp / "neurons.csv")
    >>> bool((aa1xr.neurons(ds.sel(type="flatrip")).n_stimuli == 5).all())
    True
    """
    wanted = arguments.flag("quality", quality)
    schema.validate(ds, "n_trials", "spikes")
    extra = measure_quality(ds).data_vars if wanted else {}
    return _table(ds, "neuron", "stimulus", "type", extra)


def stimuli(ds: xr.Dataset) -> pd.DataFrame:
    """Return a table with one row per stimulus.

    Neurons, trials and spikes are those of `ds`, so a selection of neurons or trials changes the
    numbers.

    Parameters
    ----------
    ds
        A Dataset with `spikes` and `n_trials`, or a selection of one.

    Returns
    -------
    pandas.DataFrame
        Indexed by `stimulus`, in the order of `ds`:

        - every label of the stimuli, your own included: `name`, `sample_rate` in Hz, `type`,
          `n_samples`, `duration_s`;
        - `n_neurons`, `n_trials`: number of neurons that were presented the stimulus, and of their
          trials;
        - `n_neurons_MLd`, `n_trials_MLd`, and so on for each area;
        - `n_spikes`: number of spikes in these trials, in the bins while the stimulus plays.

    Raises
    ------
    ValueError
        If the Dataset lacks a variable, or `spikes` and `n_trials` contradict each other.

    Notes
    -----
    The archive does not say the level of each stimulus: see `aa1xr.sounds`.

    Examples
    --------
    >>> table = aa1xr.stimuli(aa1xr.open_sample())
    >>> table.groupby("type").n_neurons.max().to_dict()
    {'conspecific': 11, 'flatrip': 12}
    """
    schema.validate(ds, "n_trials", "spikes")
    return _table(ds, "stimulus", "neuron", "area", {})


def trials(ds: xr.Dataset, *, start: float = 0.0, stop: float | None = None) -> pd.DataFrame:
    """Return a table with one row per trial, and the number of its spikes.

    Trials that were not presented have no row; a trial without spikes has the count 0. For the
    times of the spikes, use `aa1xr.to_pandas`.

    Parameters
    ----------
    ds, start, stop
        As in `aa1xr.spike_counts`: a Dataset with `spikes`, or a selection of one, and the window
        in seconds from stimulus onset; `stop=None` is the end of each stimulus.

    Returns
    -------
    pandas.DataFrame
        `neuron` and every label of the neurons, `stimulus` and every label of the stimuli, `trial`
        and every label of the trials, and `n_spikes`, in the order of `ds`. Text is categorical.
        AA1 has 29,300 rows.

    Raises
    ------
    ValueError
        As in `aa1xr.spike_counts`, or if the Dataset lacks the coordinate `neuron`, `stimulus` or
        `trial`.

    Examples
    --------
    >>> table = aa1xr.trials(aa1xr.open_sample().sel(area="MLd"))
    >>> rate = table.n_spikes / table.duration_s
    >>> rate.groupby([table.neuron, table.type], observed=True).mean().head(2).round(1).tolist()
    [7.3, 7.2]
    """
    schema.require(ds)
    schema.require_coords(ds, *AXES)
    counts = spike_counts(ds, start=start, stop=stop)
    values = counts.expand_dims([d for d in AXES if d not in counts.dims]).transpose(*AXES).values
    kept = ~np.isnan(values)
    columns: dict[str, Any] = {}
    for dim, positions in zip(AXES, np.nonzero(kept), strict=True):
        for name, label in _labels(ds, dim).items():
            text = label.dtype.kind == "O"
            each = pd.Categorical(label, categories=pd.unique(label)) if text else label
            columns[name] = each.take(positions)
    refuse_taken(columns, ["n_spikes"], "a column of this table")
    return pd.DataFrame({**columns, "n_spikes": values[kept].astype(np.int64)})


def refuse_taken(labels: Iterable[str], names: Iterable[str], what: str) -> None:
    """Refuse labels that `what` of the same name would replace."""
    if taken := [name for name in names if name in labels]:
        raise ValueError(
            f"the label {taken[0]!r} has the name of {what}; rename it: ds.rename({taken[0]}=...)"
        )


def _table(
    ds: xr.Dataset, dim: str, other: str, by: str, extra: Mapping[Any, xr.DataArray]
) -> pd.DataFrame:
    """A row for each element of `dim`, with numbers over `other`, also of each value of `by`."""
    schema.require_coords(ds, dim)
    heard = presented(ds)
    counts = measures.spikes(ds)
    n_spikes = xr.apply_ufunc(
        _count,
        counts,
        kwargs={"plays": measures.bins_during(ds, "stimulus")},
        input_core_dims=[counts.dims[1:]],
        output_core_dims=[["stimulus"]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    lazy = {"heard": heard.variable, "spikes": n_spikes.variable}
    lazy |= {f"measure {name}": array.variable for name, array in extra.items()}
    # Together, so that the spikes are counted in bins once.
    found = xr.Dataset(lazy).compute()
    spikes = found["spikes"].values
    shown = found["heard"]
    shown = shown.expand_dims([d for d in AXES if d not in shown.dims]).transpose(*AXES)
    n_trials = shown.values.sum(2)
    if dim == "stimulus":
        n_trials, spikes = n_trials.T, spikes.T
    # Measures of aa1xr.with_quality are replaced.
    labels = {name: label for name, label in _labels(ds, dim).items() if name not in extra}
    index = pd.Index(labels.pop(dim), name=dim)
    plural = {"neuron": "neurons", "stimulus": "stimuli"}[other]
    columns = {f"n_{plural}": (n_trials > 0).sum(1), "n_trials": n_trials.sum(1)}
    groups = _labels(ds, other).get(by, np.zeros(0))
    for group in pd.unique(groups):
        of_group = n_trials[:, np.asarray(groups == group)]
        columns[f"n_{plural}_{group}"] = (of_group > 0).sum(1)
        columns[f"n_trials_{group}"] = of_group.sum(1)
    columns["n_spikes"] = spikes.sum(1).astype(np.int64)
    refuse_taken(labels, columns, "a column of this table")
    columns = labels | columns
    columns |= {str(name): np.atleast_1d(found[f"measure {name}"].values) for name in extra}
    return pd.DataFrame(columns, index=index)


def _count(counts: Floats, *, plays: Bools) -> Floats:
    """Spikes while the stimulus plays. [shape: (neuron, stimulus, ...) -> (neuron, stimulus)]."""
    return np.asarray((np.nansum(counts, 2, dtype=np.float64) * plays).sum(-1))


def _labels(ds: xr.Dataset, dim: str) -> dict[str, Any]:
    """The labels along an axis, that of the axis first; of one element, if the axis is dropped."""
    known = schema.labels(dim)
    names = [
        str(name)
        for name, label in ds.coords.items()
        if label.dims == (dim,) or (label.ndim == 0 and name in known and dim not in ds.dims)
    ]
    ordered = [dim, *(name for name in names if name != dim)]
    return {name: _plain(np.atleast_1d(ds[name].values)) for name in ordered}


def _plain(values: npt.NDArray[Any]) -> Any:
    """Text as pandas holds it, whatever kind of string NumPy has; other values as they are."""
    return pd.Series(values.tolist(), dtype="str").array if values.dtype.kind in "UT" else values
