"""The options of the functions of analysis: wrong units, kinds, names and numbers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from stress.misuse.case import Case, Inputs, refused, works
from stress.misuse.datasets import compute, same

#: What is no whole number of things, whichever function asks for one.
NOT_WHOLE = (0, -3, 2.5, "10", None, True, [4], float("nan"), np.float64(4))
#: What is no number of milliseconds.
NOT_MS = ("20", None, True, [20], float("nan"), float("inf"))

WHOLE: dict[str, tuple[str, Callable[[Inputs, Any], Any]]] = {
    "quality": ("max_splits", lambda t, n: aa1xr.quality(t.ds, max_splits=n)),
    "with_quality": ("max_splits", lambda t, n: aa1xr.with_quality(t.ds, max_splits=n)),
    "score": ("max_splits", lambda t, n: aa1xr.score(t.ds, t.rate, max_splits=n)),
    "fit_nonlinearity": (
        "n_levels",
        lambda t, n: aa1xr.fit_nonlinearity(t.rate, t.ds.psth, n_levels=n),
    ),
    "split": ("n_folds", lambda t, n: aa1xr.split(t.ds, n_folds=-1 if n is None else n)),
    "simulate_archive": ("n_neurons", lambda t, n: aa1xr.simulate_archive(t.new(), n_neurons=n)),
    "open": ("n_mels", lambda t, n: t.open(n_mels=n)),
    "ds.aa1.quality": ("max_splits", lambda t, n: t.ds.aa1.quality(max_splits=n)),
    "ds.aa1.score": ("max_splits", lambda t, n: t.ds.aa1.score(t.rate, max_splits=n)),
    "ds.aa1.with_quality": ("max_splits", lambda t, n: t.ds.aa1.with_quality(max_splits=n)),
}
MS: dict[str, tuple[str, Callable[[Inputs, Any], Any]]] = {
    "resample": ("dt_ms", lambda t, ms: aa1xr.resample(t.ds, dt_ms=ms)),
    "smooth": ("window_ms", lambda t, ms: aa1xr.smooth(t.ds.psth, window_ms=ms)),
    "strf": ("lags_ms", lambda t, ms: aa1xr.strf(t.ds, **t.lists, lags_ms=ms)),
    "coherence": ("window_ms", lambda t, ms: aa1xr.coherence(t.ds, t.rate, window_ms=ms)),
    "open": ("dt_ms", lambda t, ms: t.open(dt_ms=ms)),
    "open_sample": ("dt_ms", lambda t, ms: aa1xr.open_sample(dt_ms=ms, data_dir=t.data_dir)),
    "ds.aa1.resample": ("dt_ms", lambda t, ms: t.ds.aa1.resample(ms)),
    "ds.aa1.coherence": ("window_ms", lambda t, ms: t.ds.aa1.coherence(t.rate, window_ms=ms)),
    "ds.psth.aa1.smooth": ("window_ms", lambda t, ms: t.ds.psth.aa1.smooth(ms)),
}


def numbers() -> Iterator[Case]:
    for name, (argument, call) in WHOLE.items():
        for value in NOT_WHOLE:
            yield refused(
                name,
                f"{argument}={value!r}",
                lambda t, call=call, value=value: call(t, value),
                rf"^{argument}=.*; expected (a whole number|2 to)",
            )
    for name, (argument, call) in MS.items():
        for value in NOT_MS:
            yield refused(
                name,
                f"{argument}={value!r}",
                lambda t, call=call, value=value: call(t, value),
                rf"^{argument}=.* is no number of milliseconds",
            )


#: name, what is typed, the call, and what the error says.
ROWS: tuple[tuple[str, str, Callable[[Inputs], Any], str], ...] = (
    # Seconds for milliseconds, and the reverse.
    ("resample", "dt_ms=0.04, in s", lambda t: aa1xr.resample(t.ds, dt_ms=0.04),
     "dt_ms=0.04 is not a multiple of the current bin width of 20 ms, such as 20 or 40"),
    ("resample", "dt_ms narrower", lambda t: aa1xr.resample(t.ds, dt_ms=5),
     r"such as 20 or 40; for other widths, open the archive again: aa1xr.open\(dt_ms=5\)"),
    ("resample", "dt_ms no multiple", lambda t: aa1xr.resample(t.ds, dt_ms=50), "such as 40 or 60"),
    ("resample", "dt_ms=-40", lambda t: aa1xr.resample(t.ds, dt_ms=-40), "dt_ms=-40"),
    ("resample", "dt_ms=0", lambda t: aa1xr.resample(t.ds, dt_ms=0), "dt_ms=0"),
    ("smooth", "window_ms=0.021, in s", lambda t: aa1xr.smooth(t.ds.psth, window_ms=0.021),
     "window_ms=0.021 would smooth nothing: bins are 20 ms wide.*milliseconds, such as 21"),
    ("smooth", "window_ms=0", lambda t: aa1xr.smooth(t.ds.psth, window_ms=0), "window_ms=0"),
    ("smooth", "window_ms=-21", lambda t: aa1xr.smooth(t.ds.psth, window_ms=-21), "window_ms=-21"),
    ("coherence", "window_ms=0.256, in s",
     lambda t: aa1xr.coherence(t.ds, t.rate, window_ms=0.256),
     "window_ms=0.256 is 0 bins of 20 ms; expected 2 to"),
    ("coherence", "window_ms longer than all",
     lambda t: aa1xr.coherence(t.ds, t.rate, window_ms=9999), "window_ms=9999 is 500 bins"),
    ("coherence", "window_ms=-256",
     lambda t: aa1xr.coherence(t.ds, t.rate, window_ms=-256), "window_ms=-256"),
    ("strf", "lags_ms=0.1, in s", lambda t: aa1xr.strf(t.ds, **t.lists, lags_ms=0.1),
     "lags_ms=0.1 is 0 bins of 20 ms; expected 1 to"),
    ("strf", "lags_ms=100_000, in us", lambda t: aa1xr.strf(t.ds, **t.lists, lags_ms=100_000),
     "lags_ms=100000 is 5000 bins of 20 ms; expected 1 to"),
    ("strf", "lags_ms=-100", lambda t: aa1xr.strf(t.ds, **t.lists, lags_ms=-100), "lags_ms=-100"),
    # Misspelt choices.
    ("quality", "by='trial'", lambda t: aa1xr.quality(t.ds, by="trial"), "by='trial'.*'neuron'"),
    ("quality", "by a list", lambda t: aa1xr.quality(t.ds, by=["neuron"]), r"by=\['neuron'\]"),
    ("quality", "by=None", lambda t: aa1xr.quality(t.ds, by=None), "by=None; expected"),
    ("ds.aa1.quality", "by='neurons'", lambda t: t.ds.aa1.quality(by="neurons"), "by='neurons'"),
    ("smooth", "a misspelt window", lambda t: aa1xr.smooth(t.ds.psth, window="han"),
     "window='han'; expected one of 'hann', 'gaussian'"),
    ("smooth", "window=21 for window_ms", lambda t: aa1xr.smooth(t.ds.psth, window=21),
     "window=21; expected one of 'hann', 'gaussian'"),
    ("smooth", "match=True", lambda t: aa1xr.smooth(t.ds.psth, match=True), "match=True"),
    ("smooth", "a misspelt match", lambda t: aa1xr.smooth(t.ds.psth, match="deepstrf"),
     "match='deepstrf'; expected 'deepSTRF' or None"),
    ("smooth", "match with another window",
     lambda t: aa1xr.smooth(t.ds.psth, match="deepSTRF", window="gaussian"), "leave match or"),
    ("ds.psth.aa1.smooth", "a misspelt window",
     lambda t: t.ds.psth.aa1.smooth(window="Hann"), "window='Hann'"),
    ("normalize", "a misspelt method", lambda t: aa1xr.normalize(t.ds.psth, method="z-score"),
     "method='z-score'; expected one of 'max', 'zscore'"),
    ("normalize", "method=None", lambda t: aa1xr.normalize(t.ds.psth, method=None), "method=None"),
    ("ds.psth.aa1.normalize", "a misspelt method",
     lambda t: t.ds.psth.aa1.normalize(method="minmax"), "method='minmax'"),
    ("standardize", "a dimension that is not there",
     lambda t: aa1xr.standardize(t.ds.psth, over="freq"),
     "no dimension 'freq' to take statistics over; there are"),
    ("standardize", "over=None", lambda t: aa1xr.standardize(t.ds.psth, over=None),
     "dimension Non"),
    ("standardize", "over a number", lambda t: aa1xr.standardize(t.ds.psth, over=2), "dimension 2"),
    ("ds.psth.aa1.standardize", "a misspelt dimension",
     lambda t: t.ds.psth.aa1.standardize(over=("stimulus", "times")), "dimension 'times'"),
    ("mean_score", "a misspelt dimension",
     lambda t: aa1xr.mean_score(t.scores, dim="neurons"),
     "dim='neurons'; expected one of 'neuron'"),
    ("mean_score", "one neuron, whose axis is gone",
     lambda t: aa1xr.mean_score(t.scores.isel(neuron=0)), "dim='neuron'; expected one of"),
    # Splits.
    ("split", "by a misspelt label", lambda t: aa1xr.split(t.ds, by="stimuli"),
     "no label 'stimuli' to split by; there are .*stimulus"),
    ("split", "by a list", lambda t: aa1xr.split(t.ds, by=["stimulus"]),
     r"no label \['stimulus'\] to split by"),
    ("split", "stratified by a label of another axis",
     lambda t: aa1xr.split(t.ds, by="neuron", stratify="type"),
     "no label 'type' along 'neuron'.*stratify=None"),
    ("split", "a misspelt label to stratify by",
     lambda t: aa1xr.split(t.ds, stratify="types"), "no label 'types'.*one of .*type"),
    ("split", "test='20%'", lambda t: aa1xr.split(t.ds, test="20%"), "test='20%' is no number"),
    ("split", "test=20 %", lambda t: aa1xr.split(t.ds, test=20), "20 of 7 labels"),
    ("split", "test=1.5", lambda t: aa1xr.split(t.ds, test=1.5), "test=1.5; expected a fraction"),
    ("split", "test=-1", lambda t: aa1xr.split(t.ds, test=-1), "test=-1"),
    ("split", "test=0", lambda t: aa1xr.split(t.ds, test=0), "none for testing"),
    ("split", "test=True", lambda t: aa1xr.split(t.ds, test=True), "test=True is no number"),
    ("split", "test a list of stimuli", lambda t: aa1xr.split(t.ds, test=list(t.test)),
     "test=.* is no number of labels"),
    ("split", "test and n_folds", lambda t: aa1xr.split(t.ds, test=2, n_folds=3), "either test or"),
    ("split", "more folds than stimuli", lambda t: aa1xr.split(t.ds, n_folds=99),
     "n_folds=99; expected 2 to 7"),
    ("split", "seed='a'", lambda t: aa1xr.split(t.ds, seed="a"), "seed='a'; expected a whole"),
    ("split", "seed=None", lambda t: aa1xr.split(t.ds, seed=None), "seed=None; expected a whole"),
    ("split", "seed=0.5", lambda t: aa1xr.split(t.ds, seed=0.5), "seed=0.5"),
    ("ds.aa1.split", "seed='a'", lambda t: t.ds.aa1.split(seed="a"), "seed='a'"),
    ("simulate_archive", "seed='a'",
     lambda t: aa1xr.simulate_archive(t.new(), seed="a"), "seed='a'; expected a whole"),
    ("simulate_archive", "seed=-1", lambda t: aa1xr.simulate_archive(t.new(), seed=-1), "seed=-1"),
    ("simulate_archive", "n_ripples=0",
     lambda t: aa1xr.simulate_archive(t.new(), n_ripples=0), "n_ripples=0"),
    ("simulate_archive", "n_trials=0",
     lambda t: aa1xr.simulate_archive(t.new(), n_trials=0), "n_trials=0"),
    # Fields.
    ("strf", "no stimulus to train on",
     lambda t: aa1xr.strf(t.ds, train=[], validation=t.validation), "train names no stimulus"),
    ("strf", "no stimulus to validate on",
     lambda t: aa1xr.strf(t.ds, train=t.train, validation=[]), "validation names no stimulus"),
    ("strf", "train and validation overlap",
     lambda t: aa1xr.strf(t.ds, train=t.train, validation=t.train),
     "is in train and in validation; each stimulus is for one"),
    ("strf", "alphas a single number",
     lambda t: aa1xr.strf(t.ds, **t.lists, alphas=1.0), "alphas=1.0; expected a list"),
    ("strf", "alphas='auto'", lambda t: aa1xr.strf(t.ds, **t.lists, alphas="auto"),
     "alphas='auto'"),
    ("strf", "alphas=None", lambda t: aa1xr.strf(t.ds, **t.lists, alphas=None), "alphas=None"),
    ("strf", "alphas with a zero",
     lambda t: aa1xr.strf(t.ds, **t.lists, alphas=[0, 1]), "alphas=.*positive numbers"),
    ("strf", "alphas without bound",
     lambda t: aa1xr.strf(t.ds, **t.lists, alphas=[1, np.inf]), "alphas=.*positive numbers"),
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
     "bins of 20 ms, the sound of 40 ms"),
    ("predict", "sounds with other bands", lambda t: aa1xr.predict(t.ds.isel(freq=[0, 1]), t.fit),
     r"the bands \(freq\) of the sound are not those of the fit"),
    ("predict", "a fit of one lag", lambda t: aa1xr.predict(t.ds, t.fit.isel(lag=0)), "list or sl"),
    ("predict", "a fit that has lost its bin width",
     lambda t: aa1xr.predict(t.ds, t.fit.assign_coords(lag=t.fit.lag.values)),
     "lost their attribute 'dt_ms'; aa1xr.strf"),
    ("tuning", "a fit of one lag", lambda t: aa1xr.tuning(t.fit.isel(lag=[0])), "expected several"),
    ("tuning", "a fit of one band", lambda t: aa1xr.tuning(t.fit.isel(freq=[0])), "expected sever"),
    ("tuning", "a fit whose axis of lags is gone",
     lambda t: aa1xr.tuning(t.fit.isel(lag=0)), "select with a list or slice"),
    ("tuning", "a Dataset of responses", lambda t: aa1xr.tuning(t.ds),
     "strfs has no variable 'strf'.*aa1xr.strf gives"),
    ("fit_nonlinearity", "n_levels=1",
     lambda t: aa1xr.fit_nonlinearity(t.rate, t.ds.psth, n_levels=1), "n_levels=1.*at least 2"),
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
    ("resample", "no dt_ms", lambda t: aa1xr.resample(t.ds), "'dt_ms'"),
    ("resample", "a misspelt option", lambda t: aa1xr.resample(t.ds, dt=40), "'dt'"),
    ("smooth", "a misspelt option", lambda t: aa1xr.smooth(t.ds.psth, width_ms=21), "'width_ms'"),
    ("strf", "no validation", lambda t: aa1xr.strf(t.ds, train=t.train), "'validation'"),
    ("score", "no prediction", lambda t: aa1xr.score(t.ds), "'prediction'"),
    ("cite", "a format", lambda t: aa1xr.cite("bibtex"), "positional"),
    ("quality", "a misspelt option", lambda t: aa1xr.quality(t.ds, n_splits=5), "'n_splits'"),
    ("standardize", "over nothing", lambda t: aa1xr.standardize(t.ds.psth), "'over'"),
    ("Split", "one part alone", lambda t: aa1xr.Split(t.train), "'validation' and 'test'"),
    ("ds.aa1.psth", "a neuron", lambda t: t.ds.aa1.psth("sim0000_1_A"), "positional"),
    ("ds.aa1.presented", "a trial", lambda t: t.ds.aa1.presented(3), "positional"),
    ("ds.aa1.drop_missing", "a dimension", lambda t: t.ds.aa1.drop_missing("neuron"), "positional"),
    ("ds.aa1.simultaneous", "an area", lambda t: t.ds.aa1.simultaneous("MLd"), "positional"),
    ("ds.aa1.to_pandas", "an option", lambda t: t.ds.aa1.to_pandas(wide=True), "'wide'"),
    ("ds.aa1.to_pynapple", "a cell", lambda t: t.ds.aa1.to_pynapple("sim0000_1_A"), "positional"),
    ("ds.aa1.to_deepstrf", "an option", lambda t: t.ds.aa1.to_deepstrf(dt_ms=5), "'dt_ms'"),
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
    yield from numbers()
    yield from (refused(*row) for row in ROWS)
    yield from (refused(*row, TypeError) for row in KINDS)
    yield from (refused(*row, KeyError, elsewhere=row[0] == "Scaling") for row in LABELS)
    yield from (refused(*row, TypeError, elsewhere=True) for row in SIGNATURES)
    yield from unusual()
