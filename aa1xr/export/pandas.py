"""Spikes as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from aa1xr.dataset.events import as_events


def to_pandas(ds: xr.Dataset) -> pd.DataFrame:
    """Convert to a tidy table with one row per spike.

    Times are exact, whatever the bins and the window of `ds` are; see `aa1xr.events`.

    A trial without spikes has no row. For counts that include such trials, use
    `ev = aa1xr.events(ds); ev.row_size.where(aa1xr.presented(ev)).to_series().dropna()`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one, or the result of `aa1xr.events`.

    Returns
    -------
    pandas.DataFrame
        `neuron`, `area`, `animal_id`, `stimulus` and `type` as categories, `trial`, and `time_s`,
        seconds from stimulus onset, in the order of `ds`. AA1 has 710,298 rows (12 MB).

    Raises
    ------
    ValueError
        As in `aa1xr.events`.

    Examples
    --------
    >>> table = aa1xr.to_pandas(aa1xr.open_sample().sel(area="MLd"))
    >>> table.columns.tolist()
    ['neuron', 'area', 'animal_id', 'stimulus', 'type', 'trial', 'time_s']
    >>> during = table[table.time_s.between(0, 1)]
    >>> during.groupby("neuron", observed=True).size().index[0]
    'sim0000_1_A'
    """
    events = as_events(ds)
    sizes = events["row_size"].values
    presentation = np.repeat(np.arange(sizes.size), sizes.ravel())
    neuron, stimulus, trial = np.unravel_index(presentation, sizes.shape)
    columns = {name: _category(events[name], neuron) for name in ("neuron", "area", "animal_id")}
    columns |= {name: _category(events[name], stimulus) for name in ("stimulus", "type")}
    numbers = events["trial"].values.astype(np.int32)
    return pd.DataFrame(
        {**columns, "trial": numbers[trial], "time_s": events["spike_time"].values / 1e6}
    )


def _category(labels: xr.DataArray, positions: np.ndarray) -> pd.Categorical:
    """The label at each position, in a byte or two each."""
    each = pd.Categorical(labels.values, categories=pd.unique(labels.values))
    return each.take(positions)
