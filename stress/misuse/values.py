"""Options with values that they cannot have: wrong units, kinds, names and numbers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from aa1xr import plot
from stress.misuse.case import Case, refused

#: Calls that are right but for the options that are given.
CALLS: dict[str, Callable[..., Any]] = {
    "open": lambda t, **given: t.open(**given),
    "open_sample": lambda t, **given: aa1xr.open_sample(data_dir=t.data_dir, **given),
    "open_dataset": lambda t, **given: xr.open_dataset(t.store, engine="aa1xr", **given),
    "simulate_archive": lambda t, **given: aa1xr.simulate_archive(t.new(), **given),
    "quality": lambda t, **given: aa1xr.quality(t.ds, **given),
    "with_quality": lambda t, **given: aa1xr.with_quality(t.ds, **given),
    "score": lambda t, **given: aa1xr.score(t.ds, t.rate, **given),
    "coherence": lambda t, **given: aa1xr.coherence(t.ds, t.rate, **given),
    "mean_score": lambda t, **given: aa1xr.mean_score(t.scores, **given),
    "resample": lambda t, **given: aa1xr.resample(t.ds, **given),
    "smooth": lambda t, **given: aa1xr.smooth(t.ds.psth, **given),
    "normalize": lambda t, **given: aa1xr.normalize(t.ds.psth, **given),
    "standardize": lambda t, **given: aa1xr.standardize(t.ds.psth, **given),
    "split": lambda t, **given: aa1xr.split(t.ds, **given),
    "strf": lambda t, **given: aa1xr.strf(t.ds, **t.lists, **given),
    "fit_nonlinearity": lambda t, **given: aa1xr.fit_nonlinearity(t.rate, t.ds.psth, **given),
    "spike_counts": lambda t, **given: aa1xr.spike_counts(t.ds, **given),
    "trial_halves": lambda t, **given: aa1xr.trial_halves(t.ds, **given),
    "responsiveness": lambda t, **given: aa1xr.responsiveness(t.ds, **given),
    "plot.quality": lambda t, **given: plot.quality(t.ds, **given),
}

#: What is not a whole number of things, and who asks for one.
NOT_WHOLE = (0, -3, 2.5, "10", None, True, [4], float("nan"), np.float64(4))
WHOLE = {
    "quality": "max_splits", "with_quality": "max_splits", "score": "max_splits",
    "fit_nonlinearity": "n_levels", "simulate_archive": "n_neurons", "open": "n_mels",
}  # fmt: skip
#: What is not a number of milliseconds, and who asks for one.
NOT_MS = ("20", None, True, [20], float("nan"), float("inf"))
MS = {
    "resample": "dt_ms", "smooth": "window_ms", "strf": "lags_ms", "coherence": "window_ms",
    "open": "dt_ms", "open_sample": "dt_ms",
}  # fmt: skip

ROWS: tuple[tuple[str, dict[str, Any], str], ...] = (
    # Bins and windows; seconds or microseconds for milliseconds among them.
    ("open", {"dt_ms": 0.3}, "nearest bin widths are 0.28125 or 0.3125 ms"),
    ("open", {"dt_ms": 1 / 3}, "nearest bin widths are"),
    ("open", {"dt_ms": 0.005}, "0.005 is not a whole number of audio samples.*are 0.03125 ms"),
    ("open", {"dt_ms": 0}, "nearest bin widths are 0.03125 ms"),
    ("open", {"dt_ms": -5}, "dt_ms=-5 is not a whole number of audio samples"),
    ("open", {"dt_ms": 4000.03125}, "dt_ms must be at most 4000.*; got 4000.03125"),
    ("open", {"dt_ms": 5000}, "dt_ms must be at most 4000.*; got 5000"),
    ("open", {"dt_ms": 5e6}, "dt_ms must be at most 4000"),
    ("open", {"dt_ms": 1e300}, "dt_ms must be at most 4000"),
    ("open", {"before_ms": -200}, "before_ms must not be negative"),
    ("open", {"before_ms": float("nan")}, "before_ms"),
    ("open", {"before_ms": 2001}, "before_ms must be at most 2000; got 2001. AA1 was recorded fro"),
    ("open", {"before_ms": "200"}, "before_ms must be a finite.*; got '200'"),
    ("open", {"before_ms": True}, "before_ms must be a finite.*; got True"),
    ("open", {"after_ms": -1}, "after_ms must not be negative"),
    ("open", {"after_ms": 4000.5}, "after_ms must be at most 4000; got 4000.5.*to 4 s after"),
    ("open", {"after_ms": False}, "after_ms must be a finite.*; got False"),
    ("open", {"after_ms": None}, "after_ms must be a finite.*; got None"),
    ("open_sample", {"dt_ms": 0.005}, "dt_ms=0.005"),
    ("open_sample", {"before_ms": "2s"}, "before_ms must be a finite.*; got '2s'"),
    ("open_dataset", {"dt_ms": 0.005}, "dt_ms=0.005"),
    ("open_dataset", {"dt_ms": "5"}, "dt_ms must be a finite.*; got '5'"),
    # Spectrograms.
    ("open", {"window_ms": 0.01}, "window_ms=0.01 is not a whole number of audio samples"),
    ("open", {"window_ms": 0}, "window_ms"),
    ("open", {"window_ms": 1001}, "window_ms must be at most 1000; got 1001"),
    ("open", {"window_ms": None}, "window_ms must be a finite.*; got None"),
    ("open", {"window_ms": 2, "dt_ms": 20}, "empty"),  # the window is not made as long as the bin
    ("open", {"n_mels": 128}, "empty.*Take fewer bands"),
    ("open", {"n_mels": 32, "fmin": 0, "fmax": 2000}, "empty"),
    ("open", {"fmax": 8}, "n_mels=32 bands from 0 to 8 Hz leave"),
    ("open", {"fmin": 0.25, "fmax": 8}, "to 8 Hz leave"),
    ("open", {"fmax": 16001}, "half the sample rate"),
    ("open", {"fmax": 44100}, "fmin=0, fmax=44100; expected 0 <= fmin < fmax <= 16000 Hz"),
    ("open", {"fmin": 8000, "fmax": 8000}, "expected 0 <= fmin < fmax"),
    ("open", {"fmin": -1}, "fmin=-1"),
    ("open", {"fmin": "250"}, "fmin must be a finite number of Hz; got '250'"),
    ("open", {"fmin": None}, "fmin must be a finite.*; got None"),
    ("open", {"fmax": "8k"}, "fmax must be a finite number of Hz; got '8k'"),
    ("open", {"compression": "log"}, "'log'; expected one of 'cubic', 'db', 'log1p', 'none'"),
    ("open", {"compression": None}, "compression=None; expected"),
    ("open", {"compression": ["cubic"]}, "compression=.'cubic'"),
    ("open", {"frames": "center"}, "frames='center'; expected one of 'centred', 'causal'"),
    ("open", {"frames": None}, "frames=None"),
    ("open_dataset", {"n_mels": 0}, "n_mels=0"),
    ("open_dataset", {"compression": "cubc"}, "compression='cubc'"),
    # Other widths of bins and windows.
    ("resample", {"dt_ms": 0.04}, "0.04 is not a multiple of the current bin width of 20 ms, such"),
    ("resample", {"dt_ms": 5}, r"20 or 40; for other widths, .* again: aa1xr.open\(dt_ms=5\)"),
    ("resample", {"dt_ms": 50}, "such as 40 or 60"),
    ("resample", {"dt_ms": -40}, "dt_ms=-40"),
    ("resample", {"dt_ms": 0}, "dt_ms=0"),
    ("smooth", {"window_ms": 0.021}, "0.021 would smooth nothing: bins are 20 ms.*, such as 21"),
    ("smooth", {"window_ms": 0}, "window_ms=0"),
    ("smooth", {"window_ms": -21}, "window_ms=-21"),
    ("coherence", {"window_ms": 0.256}, "window_ms=0.256 is 0 bins of 20 ms; expected 2 to"),
    ("coherence", {"window_ms": 9999}, "window_ms=9999 is 500 bins"),
    ("coherence", {"window_ms": -256}, "window_ms=-256"),
    ("strf", {"lags_ms": 0.1}, "lags_ms=0.1 is 0 bins of 20 ms; expected 1 to"),
    ("strf", {"lags_ms": 100_000}, "lags_ms=100000 is 5000 bins of 20 ms; expected 1 to"),
    ("strf", {"lags_ms": -100}, "lags_ms=-100"),
    ("spike_counts", {"start": -3}, "start=-3 must be between -2 and 4 s"),
    ("spike_counts", {"start": 1, "stop": 0.5}, "start=1 must be before stop=0.5"),
    ("spike_counts", {"start": "onset"}, "start must be a finite.*'onset'"),
    ("responsiveness", {"window_s": 3}, "window_s.*2"),
    ("responsiveness", {"window_s": 0}, "window_s"),
    # Misspelt choices.
    ("quality", {"by": "trial"}, "by='trial'.*'neuron'"),
    ("quality", {"by": ["neuron"]}, r"by=\['neuron'\]"),
    ("quality", {"by": None}, "by=None; expected"),
    ("smooth", {"window": "han"}, "window='han'; expected one of 'hann', 'gaussian'"),
    ("smooth", {"window": 21}, "window=21; expected one of 'hann', 'gaussian'"),
    ("smooth", {"match": True}, "match=True"),
    ("smooth", {"match": "deepstrf"}, "match='deepstrf'; expected 'deepSTRF' or None"),
    ("smooth", {"match": "deepSTRF", "window": "gaussian"}, "leave match or"),
    ("normalize", {"method": "z-score"}, "method='z-score'; expected one of 'max', 'zscore'"),
    ("normalize", {"method": None}, "method=None"),
    ("standardize", {"over": "freq"}, "no dimension 'freq' to take statistics over; there are"),
    ("standardize", {"over": None}, "dimension Non"),
    ("standardize", {"over": 2}, "dimension 2"),
    ("mean_score", {"dim": "neurons"}, "dim='neurons'; expected one of 'neuron'"),
    ("plot.quality", {"measure": "cc_max"}, "'cc_max'; expected a variable or label .*ccmax"),
    ("plot.quality", {"measure": None}, "measure=None; expected"),
    ("plot.quality", {"measure": ["snr", "ccmax"]}, r"measure=\['snr', 'ccmax'\]; expected a var"),
    # Splits, seeds and numbers.
    ("split", {"by": "stimuli"}, "no label 'stimuli' to split by; there are .*stimulus"),
    ("split", {"by": ["stimulus"]}, r"no label \['stimulus'\] to split by"),
    ("split", {"by": "neuron", "stratify": "type"}, "no label 'type' along 'neuron'.*stratify=Non"),
    ("split", {"stratify": "types"}, "no label 'types'.*one of .*type"),
    ("split", {"test": "20%"}, "test must be a finite number .*'20%'"),
    ("split", {"test": 20}, "20 of 7 labels"),
    ("split", {"test": 1.5}, "test=1.5; expected a fraction"),
    ("split", {"test": -1}, "test=-1"),
    ("split", {"test": 0}, "none for testing"),
    ("split", {"test": True}, "test must be a finite number .*True"),
    ("split", {"test": 2, "n_folds": 3}, "either test or"),
    *(("split", {"n_folds": n}, f"^n_folds={n!r}; expected") for n in (-1, 0, 2.5, "10", True, 99)),
    ("split", {"seed": "a"}, "seed='a'; expected a whole"),
    ("split", {"seed": None}, "seed=None; expected a whole"),
    ("split", {"seed": 0.5}, "seed=0.5"),
    ("simulate_archive", {"seed": "a"}, "seed='a'; expected a whole"),
    ("simulate_archive", {"seed": -1}, "seed=-1"),
    ("simulate_archive", {"n_ripples": 0}, "n_ripples=0"),
    ("simulate_archive", {"n_trials": 0}, "n_trials=0"),
    ("strf", {"alphas": 1.0}, "alphas=1.0; expected a list"),
    ("strf", {"alphas": "auto"}, "alphas='auto'"),
    ("strf", {"alphas": None}, "alphas=None"),
    ("strf", {"alphas": [0, 1]}, "alphas=.*positive numbers"),
    ("strf", {"alphas": [1, np.inf]}, "alphas=.*positive numbers"),
    ("fit_nonlinearity", {"n_levels": 1}, "n_levels=1.*at least 2"),
    ("trial_halves", {"n": 0}, "n=0"),
    *((name, {of: n}, rf"^{of}=.*; expected (a whole number|2 to)")
      for name, of in WHOLE.items() for n in NOT_WHOLE),
    *((name, {of: ms}, rf"^{of} must be a finite number of ms; got")
      for name, of in MS.items() for ms in NOT_MS),
)  # fmt: skip


def rows() -> Iterator[Case]:
    for name, given, says in ROWS:
        call = CALLS[name]
        yield refused(name, f"{given}", lambda t, call=call, given=given: call(t, **given), says)
