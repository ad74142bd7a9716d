"""Spike trains and trials for pynapple."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import xarray as xr

from aa1xr.export.optional import import_optional
from aa1xr.export.timeline import make_timelines

if TYPE_CHECKING:
    import pynapple as nap


class Timeline(NamedTuple):
    """Cells recorded simultaneously, for pynapple."""

    units: nap.TsGroup
    trials: nap.IntervalSet


def to_pynapple(ds: xr.Dataset) -> dict[str, Timeline]:
    """Spike trains and trials as pynapple has them, for each recording site.

    A site is one cell or two that were recorded simultaneously. Cells of different sites were not,
    and one `TsGroup` of them would make them look so: hence one for each site. For one cell:
    `(site,) = aa1xr.to_pynapple(ds.sel(neuron=["gg0304_10_B"])).values()`.

    Needs pynapple, the extra `pynapple`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one, or what `aa1xr.events` gave.

    Returns
    -------
    dict of str to (units, trials)
        By animal and site number, as in "gg0304_10":

        - `units`, a `TsGroup` with `neuron`, `area` and `rig` of each cell;
        - `trials`, an `IntervalSet` with `stimulus`, `type`, `trial` and `onset` (s) of each
          presentation, and for each cell a column of its name: whether it has data there. All
          are True in AA1. Where one is not, the `rate` that pynapple shows is too low, since
          a `TsGroup` has one time support for all.

        AA1 has no absolute time: presentations are laid end to end, trial by trial, with 1 ms
        between them; their order within a trial is that of `ds`. What happens within one (2 s
        before the onset to 4 s after it) is as recorded. Nothing else is: no rate over longer
        times, no drift. Each site has a clock of its own.

    Raises
    ------
    ModuleNotFoundError
        If pynapple is not installed.
    ValueError
        As in `aa1xr.events`, or if none of the cells heard any of the sounds.

    Examples
    --------
    The raster of one cell and one sound:

    >>> import pynapple as nap
    >>> units, trials = aa1xr.to_pynapple(aa1xr.open_sample())["sim0000_1"]
    >>> " and ".join(units["area"])
    'Field_L and MLd'
    >>> heard = trials[trials["stimulus"] == "flatrip-00"]
    >>> raster = nap.compute_perievent(units[0], nap.Ts(heard["onset"].values), window=(0, 2))
    >>> len(raster)
    15
    """
    events, sites = make_timelines(ds)
    nap = import_optional("pynapple", extra="pynapple")
    out = {}
    for site in sites:
        cells = events.isel(neuron=site.neurons)
        stimuli = events.isel(stimulus=site.stimulus)
        trials = nap.IntervalSet(
            site.start,
            site.stop,
            metadata={
                "stimulus": stimuli["stimulus"].values.tolist(),
                "type": stimuli["type"].values.tolist(),
                "trial": events["trial"].values[site.trial],
                "onset": site.onset,
            }
            | dict(zip(cells["neuron"].values.tolist(), site.heard, strict=True)),
        )
        units = nap.TsGroup(
            {number: nap.Ts(times) for number, times in enumerate(site.spike_times)},
            time_support=trials,
            metadata={name: cells[name].values.tolist() for name in ("neuron", "area", "rig")},
        )
        out[f"{site.animal_id}_{site.cell_seq}"] = Timeline(units, trials)
    return out
