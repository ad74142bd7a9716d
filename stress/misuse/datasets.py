"""Every function of a Dataset, with every kind of Dataset that it cannot work on, or must."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import aa1xr
from aa1xr import benchmark, plot
from stress.misuse.case import Case, Inputs, refused, works

Call = Callable[[Inputs, Any], Any]

CELL, SOUND = "sim0000_1_A", "flatrip-00"

ANALYSIS: dict[str, Call] = {
    "psth": lambda t, ds: aa1xr.psth(ds),
    "presented": lambda t, ds: aa1xr.presented(ds),
    "drop_missing": lambda t, ds: aa1xr.drop_missing(ds),
    "simultaneous": lambda t, ds: aa1xr.simultaneous(ds),
    "quality": lambda t, ds: aa1xr.quality(ds),
    "with_quality": lambda t, ds: aa1xr.with_quality(ds),
    "resample": lambda t, ds: aa1xr.resample(ds, dt_ms=40),
    "split": lambda t, ds: aa1xr.split(ds, test=2),
    "strf": lambda t, ds: aa1xr.strf(ds, **t.lists, lags_ms=60),
    "predict": lambda t, ds: aa1xr.predict(ds, t.fit),
    "score": lambda t, ds: aa1xr.score(ds, t.rate),
    "coherence": lambda t, ds: aa1xr.coherence(ds, t.rate),
    "modulation_spectrum": lambda t, ds: aa1xr.modulation_spectrum(ds),
}
EXPORTS: dict[str, Call] = {
    "to_pandas": lambda t, ds: aa1xr.to_pandas(ds),
    "to_mat": lambda t, ds: aa1xr.to_mat(ds, t.new(".mat")),
    "to_pynapple": lambda t, ds: aa1xr.to_pynapple(ds),
    "to_nwb": lambda t, ds: aa1xr.to_nwb(ds, t.new()),
    "to_torch": lambda t, ds: aa1xr.to_torch(ds),
    "to_deepstrf": lambda t, ds: aa1xr.to_deepstrf(ds),
}
TABLES: dict[str, Call] = {
    "neurons": lambda t, ds: aa1xr.neurons(ds),
    "stimuli": lambda t, ds: aa1xr.stimuli(ds),
    "trials": lambda t, ds: aa1xr.trials(ds),
}
PICTURES: dict[str, Call] = {
    "plot.coverage": lambda t, ds: plot.coverage(ds),
    "plot.psth": lambda t, ds: plot.psth(ds, stimulus=SOUND),
    "plot.quality": lambda t, ds: plot.quality(ds),
    "plot.raster": lambda t, ds: plot.raster(ds, CELL, SOUND),
    "plot.response": lambda t, ds: plot.response(ds, CELL, SOUND),
    "plot.spectrogram": lambda t, ds: plot.spectrogram(ds, SOUND),
    "plot.strf": lambda t, ds: plot.strf(ds, CELL),
}
OTHERS: dict[str, Call] = {
    "sel": lambda t, ds: aa1xr.sel(ds, type="flatrip"),
    "save": lambda t, ds: aa1xr.save(ds, t.new()),
    "tuning": lambda t, ds: aa1xr.tuning(ds),
    "mean_score": lambda t, ds: aa1xr.mean_score(ds),
    "benchmark.run": lambda t, ds: benchmark.run(ds, t.protocol),
    "benchmark.score_prediction": lambda t, ds: benchmark.score_prediction(
        ds, t.rate.expand_dims(split=10), t.protocol
    ),
    "benchmark.true_rate": lambda t, ds: benchmark.true_rate(ds, t.truth, t.protocol),
    "benchmark.Protocol": lambda t, ds: t.protocol.prepare(ds),
}
ALL = ANALYSIS | EXPORTS | TABLES | PICTURES | OTHERS
#: These take a DataArray too.
EITHER = {"sel", "split", "modulation_spectrum", *PICTURES} - {"plot.response"}

NO_DATASETS: dict[str, Callable[[Inputs], Any]] = {
    "None": lambda t: None,
    "a function that was not called": lambda t: aa1xr.open_sample,
    "a path": lambda t: t.archive,
    "a path as a string": lambda t: str(t.archive),
    "one variable": lambda t: t.ds.spikes,
    "an array of NumPy": lambda t: t.ds.n_trials.values,
    "a list of Datasets": lambda t: [t.ds, t.ds],
    "a tuple (scaled, scaling)": lambda t: aa1xr.normalize(t.ds.psth),
    "groups": lambda t: t.ds.groupby("area"),
    "a table of pandas": lambda t: pd.DataFrame({"spikes": [1]}),
    "a dictionary": lambda t: {"spikes": t.ds.spikes},
}


def no_datasets() -> Iterator[Case]:
    for name, call in ALL.items():
        for what, make in NO_DATASETS.items():
            if name in EITHER and what == "one variable":
                continue
            yield refused(
                name,
                f"{what} for a Dataset",
                lambda t, call=call, what=what, make=make: call(t, _made(t, what, make)),
                r"^(ds|data|scores|strfs|fit) is .*expected|^obj must be a Dataset or a DataArray",
                TypeError,
            )


def _without(dim: str) -> Callable[[Inputs], xr.Dataset]:
    def make(t: Inputs) -> xr.Dataset:
        along = [name for name, coord in t.ds.coords.items() if coord.dims == (dim,)]
        return t.ds.drop_indexes([n for n in along if n in t.ds.xindexes]).drop_vars(dim)

    return make


def _at(times: xr.DataArray, factor: float) -> tuple[str, Any, dict[str, Any]]:
    return ("time", times.values * factor, times.attrs)


#: Datasets on which some functions cannot work: how they are made, and what the error says.
WRONG: dict[str, tuple[Callable[[Inputs], xr.Dataset], str]] = {
    "no variables": (lambda t: t.ds.drop_vars(list(t.ds.data_vars)),
     "no variable '(spikes|psth|spectrogram|n_trials|strf)'; it has: none"),
    "neuron renamed": (lambda t: t.ds.rename(neuron="cell"),
     r"('area' has dimensions \('cell',\)|(no|the) coordinate 'neuron')"),
    "stimulus renamed": (lambda t: t.ds.rename(stimulus="sound"),
     r"('name' has dimensions \('sound',\)|(no|the) coordinate 'stimulus'|no label 'stimulus')"),
    "trial renamed": (lambda t: t.ds.rename(trial="repeat"),
     r"'spikes' has dimensions .*'repeat'.*expected .*'trial'|(no|the) coordinate 'trial'"),
    "time renamed": (lambda t: t.ds.rename(time="t"),
     "has dimensions .*'t'.*'time'|time coordinate must have"),
    "one time": (lambda t: t.ds.sel(time=0.1, method="nearest"),
     "select with a list or slice|select with a slice|select the same times"),
    "one neuron": (lambda t: t.ds.isel(neuron=0),
     "select with a list or slice|one value for each neuron"),
    "one stimulus": (lambda t: t.ds.isel(stimulus=-1), "list or slice|no label 'stimulus'"),
    "one trial": (lambda t: t.ds.isel(trial=0), "ccmax is NaN|list or slice|selection of trials"),
    "no neuron": (
        lambda t: t.ds.isel(neuron=slice(0)),
        (
            r"(nothing is selected along 'neuron'|no neuron of the Dataset|nothing is left|"
            "there is none to select|none of these neurons|nothing to draw)"
        ),
    ),
    "no stimulus": (
        lambda t: t.ds.isel(stimulus=slice(0)),
        (
            r"(nothing is selected along 'stimulus'|no stimulus of the Dataset|nothing is left|"
            "there is none to select|none of these neurons|0 labels)"
        ),
    ),
    "no trial": (
        lambda t: t.ds.isel(trial=slice(0)),
        (
            r"(nothing is selected along 'trial'|nothing is left|none of these neurons|"
            "never presented|selection of trials)"
        ),
    ),
    "no time": (lambda t: t.ds.isel(time=slice(0)),
     r"nothing is selected along 'time'|no axis of several bins|the Dataset no bins"),
    "no freq": (lambda t: t.ds.isel(freq=slice(0)), "nothing is selected along 'freq'|bands"),
    "no dt_ms": (lambda t: t.ds.assign_coords(time=t.ds.time.drop_attrs()),
     "time coordinate must have the attribute 'dt_ms'.*aa1xr.open"),
    "no time axis": (lambda t: t.ds.drop_vars("time"), "time coordinate must have .*aa1xr.open"),
    "gaps in time": (lambda t: t.ds.isel(time=[*range(30), *range(40, 90)]),
     "not one of adjacent bins of 20 ms.*select stretches|select the same times"),
    "every second bin": (lambda t: t.ds.isel(time=slice(None, None, 2)),
     "steps of 40 ms, and its attribute dt_ms says adjacent bins of 20 ms"),
    "time backwards": (lambda t: t.ds.isel(time=slice(None, None, -1)),
     "steps of -20 ms, and its attribute dt_ms says adjacent bins of 20 ms"),
    "bins joined by coarsen": (
     lambda t: t.ds.coarsen(time=3, boundary="trim", coord_func="min").sum(),
     "steps of 60 ms, and its attribute dt_ms says adjacent bins of 20 ms|contradict each other"),
    "time in ms": (lambda t: t.ds.assign_coords(time=_at(t.ds.time, 1000)),
     r"steps of 2(e\+04|0000) ms, and .* dt_ms says adjacent bins of 20 ms; time is in s"),
    "no coordinate neuron": (_without("neuron"), "(no|the) coordinate 'neuron'"),
    "no coordinate stimulus": (_without("stimulus"),
     "(no|the) coordinate 'stimulus'|no label 'stimulus'"),
    "each neuron twice": (lambda t: t.ds.isel(neuron=[0, 0, 1, 1, 2, 2, 3, 3]),
     "a neuron occurs twice|neuron='sim0000_1_A' is 2 of them; expected one name"),
    "counts as integers": (lambda t: t.ds.assign(spikes=t.ds.spikes.variable.fillna(0).astype(int)),
     "'spikes' is of type int64; expected floats, in which NaN is missing|contradict each other"),
    "counts as strings": (lambda t: t.ds.assign(spikes=t.ds.spikes.variable.compute().astype(str)),
     "'spikes' is of type <U32; expected floats|contradict each other"),
}  # fmt: skip

_BAD_TIME = {
    "time renamed", "no dt_ms", "no time axis", "every second bin", "time backwards",
    "bins joined by coarsen", "time in ms",
}  # fmt: skip
_BAD_AXIS = {*_BAD_TIME, "one time", "no time", "gaps in time"}
_BAD_COUNTS = {
    "no variables", "neuron renamed", "stimulus renamed", "trial renamed", "time renamed",
    "counts as integers", "counts as strings",
}  # fmt: skip
_EMPTY = {"no neuron", "no stimulus", "no trial"}
_NO_LABELS = {"no coordinate neuron", "no coordinate stimulus"}
_MEASURED = {*_BAD_TIME, *_BAD_COUNTS, *_EMPTY, "one time", "no time"}
_PREDICTED = {*_BAD_AXIS, *_BAD_COUNTS, *_EMPTY, *_NO_LABELS, "each neuron twice"}
_EVENTS = {"neuron renamed", "stimulus renamed", *_NO_LABELS}
_SOUNDS = {*_BAD_AXIS, *_BAD_COUNTS, "no freq"}
_RASTER = {
    *_BAD_AXIS, *_BAD_COUNTS, "no trial", *_NO_LABELS, "no neuron", "no stimulus",
    "each neuron twice",
}  # fmt: skip

REFUSED: dict[str, set[str]] = {
    "psth": {*_BAD_TIME, *_BAD_COUNTS},
    "presented": {*_BAD_COUNTS} - {"time renamed"},
    "drop_missing": {*_BAD_COUNTS, *_EMPTY},
    "simultaneous": {"neuron renamed", "one neuron", "no coordinate neuron"},
    "quality": _MEASURED,
    "with_quality": _MEASURED,
    "resample": {*_BAD_AXIS},
    "split": {"stimulus renamed", "one stimulus", "no stimulus", "no coordinate stimulus"},
    "strf": {*_SOUNDS, "one stimulus", "no stimulus", "no coordinate stimulus"},
    "predict": {*_SOUNDS, "no stimulus"},
    "score": _PREDICTED,
    "coherence": _PREDICTED,
    "modulation_spectrum": {*_BAD_AXIS, "no variables", "stimulus renamed", "no freq",
                            "no stimulus"} - {"time renamed"},
    "neurons": {*_MEASURED, "no coordinate neuron"},
    "stimuli": {*_MEASURED, "no coordinate stimulus"},
    "trials": {*_BAD_TIME, *_BAD_COUNTS, *_NO_LABELS, *_EMPTY} - {"no variables"},
    "to_pandas": _EVENTS,
    "to_mat": _EVENTS,
    "to_pynapple": {*_EVENTS, *_EMPTY},
    "to_nwb": {*_EVENTS, *_EMPTY},
    "plot.coverage": {"no variables", "neuron renamed", "stimulus renamed", "no neuron",
                      "no stimulus"},
    "plot.psth": {*_BAD_AXIS, "no variables", "neuron renamed", "stimulus renamed", "no neuron",
                  "no stimulus", "no coordinate stimulus"},
    "plot.quality": {*_MEASURED, "one trial", "one neuron"},
    "plot.raster": _RASTER,
    "plot.response": {*_RASTER, "no freq"},
    "plot.spectrogram": {*_BAD_AXIS, "no variables", "stimulus renamed", "no stimulus", "no freq",
                         "no coordinate stimulus"},
}  # fmt: skip


def wrong_datasets() -> Iterator[Case]:
    for name, wrong in REFUSED.items():
        for what, (make, says) in WRONG.items():
            if what not in wrong:
                continue
            yield refused(
                name,
                f"a Dataset with {what}",
                lambda t, name=name, what=what, make=make: compute(
                    ALL[name](t, _made(t, what, make))
                ),
                says,
                (ValueError, KeyError),
            )


#: Selections of neurons, for which a function gives that selection of its result. Other changes
#: of a Dataset are in tests/test_changed_datasets.py.
SELECTIONS: dict[str, Any] = {
    "one neuron as a list": [1],
    "one neuron, whose axis is gone": 1,
    "neurons backwards": slice(None, None, -1),
}
#: Not of the neurons, or of all of them.
_OF_ALL = {"simultaneous", "split", "predict", "modulation_spectrum"}


def selections() -> Iterator[Case]:
    for name, call in ANALYSIS.items():
        if name in _OF_ALL:
            continue
        for what, neurons in SELECTIONS.items():

            def right(t: Inputs, got: Any, name: str = name, call: Call = call, n: Any = neurons):
                of_all = t.kept(name, lambda: compute(call(t, t.ds)))
                return same(got, of_all.isel(neuron=n))

            yield works(
                name,
                f"a Dataset with {what}",
                lambda t, call=call, n=neurons: call(t, t.ds.isel(neuron=n)),
                right,
            )


def _made(t: Inputs, what: str, make: Callable[[Inputs], Any]) -> Any:
    return t.kept(f"made {what}", lambda: make(t))


def compute(result: Any) -> Any:
    return result.compute() if isinstance(result, xr.Dataset | xr.DataArray) else result


def same(got: Any, right: Any) -> bool:
    """Equal values in any order of dimensions; rounding of other sums is no difference."""
    if isinstance(right, tuple):
        return all(np.array_equal(a, b) for a, b in zip(got, right, strict=True))
    got = compute(got)
    if isinstance(right, xr.DataArray):
        got, right = (array.to_dataset(name="array") for array in (got, right))
    # `score` and its like keep an axis of one neuron.
    got = got.isel(neuron=0) if "neuron" in got.dims and "neuron" not in right.dims else got
    got = got.transpose(*right.dims)
    for name, array in right.data_vars.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(
                got[name].transpose(*array.dims).values, array.values, rtol=1e-4, atol=1e-6
            )
        elif not np.array_equal(got[name].transpose(*array.dims).values, array.values):
            return False
    return set(got.data_vars) == set(right.data_vars)


def summaries() -> Iterator[Case]:
    """What a Dataset holds is shown of any: a repr in a notebook never fails."""
    for what, (make, _) in WRONG.items():
        yield works(
            "ds.aa1",
            f"a Dataset with {what}",
            lambda t, make=make: f"{make(t).aa1!r} {make(t).aa1._repr_html_()}",
            lambda t, got: "title" in got or "<table>" in got,
        )


def rows() -> Iterator[Case]:
    yield from summaries()
    yield from no_datasets()
    yield from wrong_datasets()
    yield from selections()
