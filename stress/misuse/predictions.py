"""Predictions that do not fit the responses, for each function that scores them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from stress.misuse.case import Case, Inputs, refused, works
from stress.misuse.datasets import compute, same

SCORING: dict[str, Callable[[Any, Any], xr.Dataset]] = {
    "score": aa1xr.score,
    "coherence": aa1xr.coherence,
}

NO_ARRAYS: dict[str, Callable[[Inputs], Any]] = {
    "None": lambda t: None,
    "an array of NumPy": lambda t: t.rate.values,
    "a Dataset": lambda t: t.rate.to_dataset(name="prediction"),
    "the fit and not its prediction": lambda t: t.fit,
    "a function that was not called": lambda t: aa1xr.predict,
    "the name of a variable": lambda t: "psth",
    "a list of arrays": lambda t: [t.rate],
}

WRONG: dict[str, tuple[Callable[[Inputs], xr.DataArray], str]] = {
    "of another bin width": (lambda t: aa1xr.resample(t.ds, dt_ms=40).psth,
     r"prediction has bins of 40 ms, the Dataset of 20 ms; bring both.*dt_ms=40\)"),
    "of another window": (lambda t: t.rate.isel(time=slice(5, None)),
     r"bins from 0 to .*, the Dataset .* bins from -0.1 to .*ds.sel\(time=prediction.time\)"),
    "of one time": (lambda t: t.rate.isel(time=5), "the prediction has dimensions"),
    "shifted by a bin": (
     lambda t: t.rate.assign_coords(time=("time", t.rate.time.values + 0.02, t.ds.time.attrs)),
     "bins from -0.08 to .*, the Dataset .* bins from -0.1"),
    "in ms": (lambda t: t.rate.assign_coords(time=t.rate.time.values * 1000),
     "bins of 20000 ms, the Dataset of 20 ms"),
    "without time": (lambda t: t.rate.drop_vars("time"),
     r"no time coordinate; .*prediction.assign_coords\(time=ds.time\)"),
    "without names of neurons": (
     lambda t: xr.DataArray(t.rate.values, dims=t.rate.dims, coords={"time": t.ds.time}),
     "no coordinate 'neuron', which says which neuron is which"),
    "with a dimension too many": (lambda t: t.rate.expand_dims(model=["a", "b"]),
     r"dimensions \('model', .*; expected \('neuron', 'stimulus', 'time'\)"),
    "of single trials": (lambda t: t.ds.spikes, r"dimensions \(.*'trial'.*expected"),
    "with a dimension renamed": (lambda t: t.rate.rename(stimulus="sound"),
     r"dimensions \('neuron', 'sound', 'time'\).*; expected"),
    "of a mean over neurons": (lambda t: t.rate.mean("neuron"), "the prediction has dimensions"),
    "of other neurons": (lambda t: t.rate.assign_coords(neuron=["a_1", "b_1", "c_1", "d_1"]),
     r"the prediction is for no neuron of the Dataset: it has \['a_1'"),
    "of other stimuli": (lambda t: t.rate.assign_coords(stimulus=list("abcdefg")),
     r"the prediction is for no stimulus of the Dataset: it has \['a'"),
    "of no neuron": (lambda t: t.rate.isel(neuron=[]), "for no neuron of the Dataset: it has"),
    "of a neuron twice": (lambda t: t.rate.isel(neuron=[0, 0]),
     "a neuron occurs twice in the prediction"),
    "of a stimulus twice": (lambda t: t.rate.isel(stimulus=[0, 0, 1]),
     "a stimulus occurs twice in the prediction"),
    "of strings": (lambda t: t.rate.astype(str), "type <U.*; expected .* and numbers"),
    "of booleans": (lambda t: t.rate > 5, "type bool; expected .* and numbers"),
}  # fmt: skip

#: What it is multiplied with, or where it is cut, and which scores are then what they were.
USUAL: dict[str, tuple[Callable[[Inputs], xr.DataArray], Callable[[Any], Any]]] = {
    "in another order": (
     lambda t: t.rate.transpose().isel(neuron=[2, 0, 3, 1], stimulus=slice(None, None, -1)),
     lambda right: right),
    "without any label index": (
        lambda t: xr.DataArray(
            t.rate.values,
            {name: t.rate[name].values for name in t.rate.dims},
            t.rate.dims,
        ),
        lambda right: right,
    ),
    "without some neurons": (lambda t: t.rate.isel(neuron=[3, 1]),
     lambda right: right.isel(neuron=[1, 3])),
    "of one neuron, whose axis is gone": (lambda t: t.rate.isel(neuron=1),
     lambda right: right.isel(neuron=[1])),
    "in single precision": (lambda t: t.rate.astype(np.float32), lambda right: right),
    "that is lazy": (lambda t: t.rate.chunk(), lambda right: right),
}  # fmt: skip


def rows() -> Iterator[Case]:
    for name, score in SCORING.items():
        for what, make in NO_ARRAYS.items():
            yield refused(
                name,
                f"{what} for a prediction",
                lambda t, score=score, make=make: score(t.ds, make(t)),
                "prediction is .*; expected a DataArray, such as ds.psth",
                TypeError,
            )
        for what, (made, says) in WRONG.items():
            yield refused(
                name,
                f"a prediction {what}",
                lambda t, score=score, made=made: score(t.ds, made(t)),
                says,
            )
        for what, (made, expected) in USUAL.items():

            def right(
                t: Inputs, got: Any, name: str = name, score: Any = score, expected: Any = expected
            ) -> bool:
                usual = t.kept(f"usual {name}", lambda: compute(score(t.ds, t.rate)))
                return same(got, expected(usual))

            yield works(
                name,
                f"a prediction {what}",
                lambda t, score=score, made=made: score(t.ds, made(t)),
                right,
            )
        for what, value in (("constant", 3.0), ("all NaN", np.nan), ("without bound", np.inf)):
            yield works(
                name,
                f"a prediction that is {what}",
                lambda t, score=score, value=value: compute(score(t.ds, t.rate * 0 + value)),
                lambda t, got: bool(got[next(iter(got))].isnull().all()),
            )
    for name, units, make in (
        ("score", "counts", lambda t: t.ds.spikes.mean("trial", keep_attrs=True)),
        ("score", "normalised", lambda t: aa1xr.normalize(t.ds.psth)[0]),
        ("score", "standardised", lambda t: aa1xr.normalize(t.rate, method="zscore")[0]),
    ):
        yield refused(
            name,
            f"a prediction that is {units} and says so",
            lambda t, make=make: aa1xr.score(t.ds, make(t)),
            r"must be in spikes/s; its units are '(count|1)': .*scaling.undo\(prediction\)",
        )
    yield works(
        "score",
        "a prediction with gaps",
        lambda t: compute(aa1xr.score(t.ds, t.rate.where(t.rate.time < 1))),
        lambda t, got: same(
            got,
            compute(aa1xr.score(t.ds.sel(time=slice(0.99)), t.rate.sel(time=slice(0.99)))),
        ),
    )
