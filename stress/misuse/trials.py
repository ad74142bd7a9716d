"""Counts, trials, selectivity and errors: wrong windows, trials, sets and functions."""

from collections.abc import Iterator

import numpy as np

import aa1xr
from stress.misuse.case import Case, refused

ROWS = (
    ("spike_counts", "a window before the recording",
     lambda t: aa1xr.spike_counts(t.ds, start=-3), "start=-3 must be between -2 and 4 s"),
    ("spike_counts", "a window that ends before it begins",
     lambda t: aa1xr.spike_counts(t.ds, start=1, stop=0.5), "start=1 must be before stop=0.5"),
    ("ds.aa1.spike_counts", "a window in words", lambda t: t.ds.aa1.spike_counts(start="onset"),
     "start='onset'"),
    ("take_trials", "a word that names no trials",
     lambda t: aa1xr.take_trials(t.ds, "first"), "'first'.*odd.*even"),
    ("take_trials", "a trial that is not there",
     lambda t: aa1xr.take_trials(t.ds, [0, 99]), "99"),
    ("take_trials", "a trial twice", lambda t: aa1xr.take_trials(t.ds, [0, 0]),
     "must take each trial once"),
    ("ds.aa1.take_trials", "a mask that is too short",
     lambda t: t.ds.aa1.take_trials(np.array([True])), "must be 6 booleans"),
    ("trial_halves", "no division", lambda t: aa1xr.trial_halves(t.ds, n=0), "n=0"),
    ("trial_halves", "one trial", lambda t: aa1xr.trial_halves(t.ds.isel(trial=[0])),
     "at least two trials"),
    ("dprime", "other neurons in the second set",
     lambda t: aa1xr.dprime(t.ds, t.ds.isel(neuron=[0, 1])), "must have the same neurons"),
    ("ds.aa1.dprime", "neurons in another order",
     lambda t: t.ds.aa1.dprime(t.ds.isel(neuron=slice(None, None, -1))),
     "must have the same neurons"),
    ("responsiveness", "a window longer than what was recorded before onset",
     lambda t: aa1xr.responsiveness(t.ds, window_s=3), "window_s.*2"),
    ("ds.aa1.responsiveness", "a window of no length",
     lambda t: t.ds.aa1.responsiveness(window_s=0), "window_s"),
    ("jackknife", "a dimension that nothing is left out of",
     lambda t: aa1xr.jackknife(aa1xr.quality, t.ds, over="time"), "over='time'; expected one of"),
    ("bootstrap", "over trials", lambda t: aa1xr.bootstrap(aa1xr.quality, t.ds, over="trial"),
     "jackknife"),
    ("bootstrap", "one draw", lambda t: aa1xr.bootstrap(aa1xr.quality, t.ds, over="stimulus", n=1),
     "n=1"),
)  # fmt: skip
OTHERS = (
    ("jackknife", "a result instead of a function",
     lambda t: aa1xr.jackknife(aa1xr.quality(t.ds), t.ds, over="trial"),
     "function must be a function, such as aa1xr.quality", TypeError),
    ("ds.aa1.sel", "a misspelt label", lambda t: t.ds.aa1.sel(aera="MLd"),
     "no coordinate is 'aera'; did you mean 'area'", KeyError),
    ("ds.psth.aa1.sel", "a misspelt area", lambda t: t.ds.psth.aa1.sel(area="MLD"),
     "no area is 'MLD'; did you mean 'MLd'", KeyError),
)  # fmt: skip


def rows() -> Iterator[Case]:
    yield from (refused(*row) for row in (*ROWS, *OTHERS))
