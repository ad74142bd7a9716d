"""What the functions of analysis are given that does not fit the rest."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from stress.misuse.case import Case, Inputs, refused, works
from stress.misuse.datasets import compute, same

#: name, what is typed, the call, and what the error says.
ROWS: tuple[tuple[str, str, Callable[[Inputs], Any], str], ...] = (
    ("mean_score", "one neuron, whose axis is gone",
     lambda t: aa1xr.mean_score(t.scores.isel(neuron=0)), "dim='neuron'; expected one of"),
    ("split", "test a list of stimuli", lambda t: aa1xr.split(t.ds, test=list(t.test)),
     "test must be a finite number of labels, or a fraction"),
    ("strf", "no stimulus to train on",
     lambda t: aa1xr.strf(t.ds, train=[], validation=t.validation), "train names no stimulus"),
    ("strf", "no stimulus to validate on",
     lambda t: aa1xr.strf(t.ds, train=t.train, validation=[]), "validation names no stimulus"),
    ("strf", "train and validation overlap",
     lambda t: aa1xr.strf(t.ds, train=t.train, validation=t.train),
     "is in train and in validation; each stimulus is for one"),
    ("strf", "counts of single trials as the response",
     lambda t: aa1xr.strf(t.ds, **t.lists, response=t.ds.spikes),
     "must be in spikes/s; got units of"),
    ("strf", "a response of another bin width",
     lambda t: aa1xr.strf(t.ds, **t.lists, response=aa1xr.resample(t.ds, dt_ms=40).psth),
     "not on the same time axis"),
    ("strf", "a response without time",
     lambda t: aa1xr.strf(t.ds, **t.lists, response=t.ds.psth.drop_vars("time")), "time axis"),
    ("predict", "the truth for a fit", lambda t: aa1xr.predict(t.ds, t.truth),
     "fit has no variable 'scale'; it has: .*aa1xr.strf gives"),
    ("predict", "fit and Dataset swapped", lambda t: aa1xr.predict(t.fit, t.ds),
     "fit has no variable 'strf'.*aa1xr.strf gives"),
    ("predict", "sounds of another bin width",
     lambda t: aa1xr.predict(aa1xr.resample(t.ds, dt_ms=40), t.fit),
     "bins of 20 ms, the spectrogram of 40 ms"),
    ("predict", "sounds with other bands", lambda t: aa1xr.predict(t.ds.isel(freq=[0, 1]), t.fit),
     r"the bands \(freq\) of the spectrogram are not those of the fit"),
    ("predict", "a fit of one lag", lambda t: aa1xr.predict(t.ds, t.fit.isel(lag=0)), "list or sl"),
    ("predict", "a fit that has lost its bin width",
     lambda t: aa1xr.predict(t.ds, t.fit.assign_coords(lag=t.fit.lag.values)),
     "must have the attribute 'dt_ms', as from aa1xr.strf"),
    ("tuning", "a fit of one lag", lambda t: aa1xr.tuning(t.fit.isel(lag=[0])), "expected several"),
    ("tuning", "a fit of one band", lambda t: aa1xr.tuning(t.fit.isel(freq=[0])), "expected sever"),
    ("tuning", "a fit whose axis of lags is gone",
     lambda t: aa1xr.tuning(t.fit.isel(lag=0)), "select with a list or slice"),
    ("tuning", "a Dataset of responses", lambda t: aa1xr.tuning(t.ds),
     "strfs has no variable 'strf'.*aa1xr.strf gives"),
    ("modulation_spectrum", "one band", lambda t: aa1xr.modulation_spectrum(t.ds.isel(freq=[3])),
     "several bands; got one"),
    ("modulation_spectrum", "a gap in time",
     lambda t: aa1xr.modulation_spectrum(t.ds.isel(time=[0, 1, 2, 9])), "adjacent bins"),
    ("modulation_spectrum", "a window longer than the stimuli",
     lambda t: aa1xr.modulation_spectrum(t.ds, window_ms=5000), "shortest stimulus .* got 5000"),
    ("modulation_spectrum", "a window for receptive fields",
     lambda t: aa1xr.modulation_spectrum(t.fit, window_ms=40), "window_ms is for spectrograms"),
    ("modulation_spectrum", "another scale",
     lambda t: aa1xr.modulation_spectrum(t.ds, scale="log"), "scale='log'; expected one of"),
    ("modulation_spectrum", "a logarithm of silence",
     lambda t: aa1xr.modulation_spectrum(t.ds.spectrogram.compute() - np.inf),
     "must be finite; got -inf .*compression='db'"),
    ("modulation_spectrum", "responses", lambda t: aa1xr.modulation_spectrum(t.ds.psth),
     "expected freq and time among them"),
    ("fit_nonlinearity", "a response of another bin width",
     lambda t: aa1xr.fit_nonlinearity(t.rate, aa1xr.resample(t.ds, dt_ms=40).psth),
     "prediction has bins of 20 ms, the response of 40 ms; bring both to one"),
    ("fit_nonlinearity", "counts of single trials",
     lambda t: aa1xr.fit_nonlinearity(t.rate, t.ds.spikes), "one too many, 'trial'"),
    ("fit_nonlinearity", "neurons of which none is the same",
     lambda t: aa1xr.fit_nonlinearity(t.rate.isel(neuron=[0]), t.ds.psth.isel(neuron=[1])),
     "no neuron, or no stimulus, in common"),
    ("Nonlinearity", "a prediction without time",
     lambda t: t.curve.apply(t.rate.isel(time=3)), "select with a list or slice"),
    ("standardize", "names", lambda t: aa1xr.standardize(t.ds.area, over="neuron"),
     "da is of .*type <U7; expected numbers"),
    ("standardize", "statistics from nothing",
     lambda t: aa1xr.standardize(t.ds.psth, over="time", stats_from=t.ds.psth.isel(time=[])),
     r"stats_from is of shape \(4, 7, 0\)"),
    ("normalize", "nothing", lambda t: aa1xr.normalize(t.ds.psth.isel(neuron=[])),
     "da is of shape"),
    ("take_trials", "a word that names no trials",
     lambda t: aa1xr.take_trials(t.ds, "first"), "'first'.*odd.*even"),
    ("take_trials", "a trial that is not there",
     lambda t: aa1xr.take_trials(t.ds, [0, 99]), "99"),
    ("take_trials", "a trial twice", lambda t: aa1xr.take_trials(t.ds, [0, 0]),
     "must take each trial once"),
    ("take_trials", "a mask that is too short",
     lambda t: aa1xr.take_trials(t.ds, np.array([True])), "must be 6 booleans"),
    ("trial_halves", "one trial", lambda t: aa1xr.trial_halves(t.ds.isel(trial=[0])),
     "at least two trials"),
    ("dprime", "other neurons in the second set",
     lambda t: aa1xr.dprime(t.ds, t.ds.isel(neuron=[0, 1])), "must have the same neurons"),
    ("dprime", "neurons in another order",
     lambda t: aa1xr.dprime(t.ds, t.ds.isel(neuron=slice(None, None, -1))),
     "must have the same neurons"),
    ("jackknife", "a dimension that nothing is left out of",
     lambda t: aa1xr.jackknife(aa1xr.quality, t.ds, over="time"), "over='time'; expected one of"),
    ("bootstrap", "over trials", lambda t: aa1xr.bootstrap(aa1xr.quality, t.ds, over="trial"),
     "jackknife"),
    ("bootstrap", "one draw", lambda t: aa1xr.bootstrap(aa1xr.quality, t.ds, over="stimulus", n=1),
     "n=1"),
)  # fmt: skip

#: The same of mistakes of kind, which are a TypeError.
KINDS: tuple[tuple[str, str, Callable[[Inputs], Any], str], ...] = (
    ("strf", "train a single string",
     lambda t: aa1xr.strf(t.ds, train="conspecific-00", validation=t.validation),
     r"train is one str; expected a list: \['conspecific-00'\]"),
    ("strf", "train the whole Split",
     lambda t: aa1xr.strf(t.ds, train=aa1xr.split(t.ds), validation=t.validation),
     r"(?s)train has array.*; expected a list of names"),
    ("strf", "train=None", lambda t: aa1xr.strf(t.ds, train=None, validation=t.validation),
     "train is one NoneType; expected a list"),
    ("strf", "train positions and not names",
     lambda t: aa1xr.strf(t.ds, train=[0, 1], validation=t.validation), "train has 0 in it"),
    ("strf", "validation a number of stimuli",
     lambda t: aa1xr.strf(t.ds, train=t.train, validation=3), "validation is one int"),
    ("strf", "train a Dataset", lambda t: aa1xr.strf(t.ds, train=t.ds, validation=t.validation),
     "train is one Dataset"),
    ("strf", "a response of NumPy",
     lambda t: aa1xr.strf(t.ds, **t.lists, response=t.ds.psth.values),
     r"response is ndarray; expected a DataArray, such as ds.psth or ds.psth.copy\(data"),
    ("strf", "a Dataset for a response",
     lambda t: aa1xr.strf(t.ds, **t.lists, response=t.ds), "response is Dataset"),
    ("strf", 'response="spikes"', lambda t: aa1xr.strf(t.ds, **t.lists, response="spikes"),
     "response is str; expected a DataArray"),
    ("predict", "the field alone", lambda t: aa1xr.predict(t.ds, t.fit.strf),
     "fit is DataArray; expected what aa1xr.strf gives"),
    ("predict", "fit=None", lambda t: aa1xr.predict(t.ds, None), "fit is NoneType"),
    ("tuning", "the field alone", lambda t: aa1xr.tuning(t.fit.strf),
     "strfs is DataArray; expected what aa1xr.strf gives"),
    ("mean_score", "one score", lambda t: aa1xr.mean_score(t.scores.cc_norm),
     "scores is DataArray; expected what aa1xr.score gives"),
    ("fit_nonlinearity", "a Dataset for the response",
     lambda t: aa1xr.fit_nonlinearity(t.rate, t.ds), "response is Dataset; expected a DataArray"),
    ("fit_nonlinearity", "a fit for its prediction",
     lambda t: aa1xr.fit_nonlinearity(t.fit, t.ds.psth), "prediction is Dataset"),
    ("Nonlinearity", "a Dataset for a prediction", lambda t: t.curve.apply(t.ds),
     "prediction is D"),
    ("smooth", "a Dataset", lambda t: aa1xr.smooth(t.ds), "da is Dataset; expected a DataArray"),
    ("smooth", "an array of NumPy", lambda t: aa1xr.smooth(t.ds.psth.values), "da is ndarray"),
    ("normalize", "a Dataset", lambda t: aa1xr.normalize(t.ds), "da is Dataset; expected a DataAr"),
    ("normalize", "None", lambda t: aa1xr.normalize(None), "da is NoneType; expected a DataArray"),
    ("normalize", "statistics from labels",
     lambda t: aa1xr.normalize(t.ds.psth, stats_from=t.train), "stats_from is ndarray; expected"),
    ("standardize", "a Dataset", lambda t: aa1xr.standardize(t.ds, over="time"), "da is Dataset"),
    ("Scaling", "apply to a Dataset",
     lambda t: aa1xr.normalize(t.ds.psth)[1].apply(t.ds), "da is Dataset; expected a DataArray"),
    ("Scaling", "undo of NumPy",
     lambda t: aa1xr.normalize(t.ds.psth)[1].undo(t.ds.psth.values), "da is ndarray"),
    ("jackknife", "a result instead of a function",
     lambda t: aa1xr.jackknife(aa1xr.quality(t.ds), t.ds, over="trial"),
     "function must be a function, such as aa1xr.quality"),
)  # fmt: skip

#: Labels that are not there, which are a KeyError.
LABELS: tuple[tuple[str, str, Callable[[Inputs], Any], str], ...] = (
    ("strf", "a stimulus that is not there",
     lambda t: aa1xr.strf(t.ds, train=["conspecific-99"], validation=t.validation),
     "train: no stimulus is 'conspecific-99'; 'conspecific-00' is one"),
    ("strf", "the same, of a Dataset without the label index",
     lambda t: aa1xr.strf(t.plain, train=["song-1"], validation=t.validation),
     "train: no stimulus is 'song-1'"),
    ("strf", "a selection that lacks stimuli of the split",
     lambda t: aa1xr.strf(t.ds.sel(type="flatrip"), **t.lists), "(train|validation): no stimulus"),
    ("Scaling", "neurons that it was not made of",
     lambda t: aa1xr.normalize(t.ds.psth.isel(neuron=[0]))[1].apply(t.ds.psth), "neuron"),
    ("Scaling", "data without neurons",
     lambda t: aa1xr.normalize(t.ds.psth)[1].apply(t.ds.spectrogram), "no 'neuron', and there are"),
    ("Nonlinearity", "neurons that it was not made of",
     lambda t: aa1xr.Nonlinearity(t.curve.drive[:1], t.curve.rate[:1]).apply(t.rate), "neuron"),
)  # fmt: skip

#: Python's own check of a signature says enough.
SIGNATURES: tuple[tuple[str, str, Callable[[Inputs], Any], str], ...] = (
    ("cite", "a format", lambda t: aa1xr.cite("bibtex"), "positional"),
    ("Split", "one part alone", lambda t: aa1xr.Split(t.train), "'validation' and 'test'"),
)  # fmt: skip


def unusual() -> Iterator[Case]:
    """What may look like a mistake and is none."""
    yield works(
        "split", "test a whole number as a float", lambda t: aa1xr.split(t.ds, test=2.0),
        lambda t, got: same(got, aa1xr.split(t.ds, test=2)),
    )  # fmt: skip
    yield works(
        "strf", "train as a DataArray", lambda t: aa1xr.strf(
            t.ds, train=t.ds.stimulus.sel(stimulus=t.train), validation=tuple(t.validation),
            lags_ms=60,
        ),
        lambda t, got: same(got, t.fit),
    )  # fmt: skip
    yield works(
        "resample", "its own bin width", lambda t: aa1xr.resample(t.ds, dt_ms=np.float32(20)),
        lambda t, got: same(got, compute(t.ds)),
    )  # fmt: skip
    yield works(
        "Nonlinearity", "fewer neurons, in another order",
        lambda t: t.curve.apply(t.rate.isel(neuron=[2, 0])),
        lambda t, got: same(got, compute(t.curve.apply(t.rate).isel(neuron=[2, 0]))),
    )  # fmt: skip
    yield works(
        "Scaling", "fewer neurons, in another order",
        lambda t: aa1xr.normalize(t.ds.psth)[1].apply(t.ds.psth.isel(neuron=[2, 0])),
        lambda t, got: same(got, compute(aa1xr.normalize(t.ds.psth)[0].isel(neuron=[2, 0]))),
    )  # fmt: skip
    yield works(
        "normalize", "a neuron without data",
        lambda t: aa1xr.normalize(t.ds.psth.where(t.ds.neuron != "sim0000_1_A"))[0],
        lambda t, got: bool(got.sel(neuron="sim0000_1_A").isnull().all()),
    )  # fmt: skip
    yield works(
        "smooth", "a variable that is constant",
        lambda t: aa1xr.smooth(xr.ones_like(t.ds.psth)), lambda t, got: float(got.min()) == 1,
    )  # fmt: skip


def rows() -> Iterator[Case]:
    yield from (refused(*row) for row in ROWS)
    yield from (refused(*row, TypeError) for row in KINDS)
    yield from (refused(*row, KeyError, elsewhere=row[0] == "Scaling") for row in LABELS)
    yield from (refused(*row, TypeError, elsewhere=True) for row in SIGNATURES)
    yield from unusual()
