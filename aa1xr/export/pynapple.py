"""Spike trains and trials for pynapple."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import xarray as xr

from aa1xr.export.timeline import make_timelines
from aa1xr.optional import import_optional

if TYPE_CHECKING:
    import pynapple as nap


class Site(NamedTuple):
    """Simultaneously recorded neurons, for pynapple."""

    units: nap.TsGroup
    trials: nap.IntervalSet


def to_pynapple(ds: xr.Dataset) -> dict[str, Site]:
    """Convert to spike trains and trials for pynapple, for each recording site.

    A site is one neuron, or two simultaneously recorded neurons. A `TsGroup` implies simultaneous
    recording, so there is one for each site. For a single neuron:
    `(site,) = aa1xr.to_pynapple(ds.sel(neuron=["gg0304_10_B"])).values()`.

    Needs pynapple, the extra `pynapple`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one, or the result of `aa1xr.events`.

    Returns
    -------
    dict of str to (units, trials)
        By animal and site number, such as "gg0304_10":

        - `units`, a `TsGroup` with `neuron`, `area` and `rig` of each neuron;
        - `trials`, an `IntervalSet` with `stimulus`, `type`, `trial` and `onset` (s) of each
          trial. It has one more column for each neuron: whether the neuron has data in the trial.
          In AA1 all are True. If one is False, the `rate` of pynapple is too low, because a
          `TsGroup` has one time support for all neurons.

        AA1 has no absolute time. Trials are concatenated by trial number, with gaps of 1 ms; within
        a trial number, stimuli have the order of `ds`. Only the time from 2 s before to 4 s after
        each onset is as recorded, so rates over longer times and drifts have no meaning. Each site
        has its own time axis.

    Raises
    ------
    ModuleNotFoundError
        If pynapple is not installed.
    ValueError
        As in `aa1xr.events`, or if none of the neurons was presented any of the stimuli.

    Examples
    --------
    The raster of one neuron and one stimulus:

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
        out[f"{site.animal_id}_{site.cell_seq}"] = Site(units, trials)
    return out
