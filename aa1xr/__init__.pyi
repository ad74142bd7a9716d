from . import benchmark, plot
from .analysis.coherence import coherence
from .analysis.counts import spike_counts
from .analysis.mean_score import mean_score
from .analysis.modulation import modulation_spectrum
from .analysis.nonlinearity import Nonlinearity, fit_nonlinearity
from .analysis.predict import predict
from .analysis.psth import psth
from .analysis.quality import quality, with_quality
from .analysis.resample import resample
from .analysis.scale import Scaling, normalize, standardize
from .analysis.scores import score
from .analysis.sel import sel
from .analysis.select import drop_missing, simultaneous
from .analysis.selectivity import dprime, responsiveness
from .analysis.smooth import smooth
from .analysis.split import Split, split
from .analysis.strf import strf
from .analysis.trial_checks import presented
from .analysis.trials import take_trials, trial_halves
from .analysis.tuning import tuning
from .analysis.uncertainty import bootstrap, jackknife
from .citation import cite
from .dataset.events import events
from .dataset.open import open  # noqa: A004 - as in xarray and zarr
from .dataset.persist import load, save
from .dataset.sounds import sounds
from .dataset.with_spectrogram import spectrogram, with_spectrogram
from .errors import (
    AA1Error,
    AA1Warning,
    ArchiveError,
    BiasWarning,
    DataNotFoundError,
    DownloadError,
    IncompleteArchiveWarning,
    OwnerWarning,
    StoreError,
    UndefinedWarning,
    UnitsWarning,
    WaitingWarning,
)
from .explorer.explore import explore
from .export.deepstrf import to_deepstrf
from .export.listen import listen
from .export.mat import to_mat
from .export.nwb import to_nwb
from .export.pandas import to_pandas
from .export.pynapple import to_pynapple
from .export.tables import neurons, stimuli, trials
from .export.torch import to_torch
from .export.wav import to_wav
from .simulation import open_sample, simulate_archive
from .store.copy import copy_store
from .store.prepare import build, download, verify

__version__: str

__all__ = [
    "AA1Error",
    "AA1Warning",
    "ArchiveError",
    "BiasWarning",
    "DataNotFoundError",
    "DownloadError",
    "IncompleteArchiveWarning",
    "Nonlinearity",
    "OwnerWarning",
    "Scaling",
    "Split",
    "StoreError",
    "UndefinedWarning",
    "UnitsWarning",
    "WaitingWarning",
    "benchmark",
    "bootstrap",
    "build",
    "cite",
    "coherence",
    "copy_store",
    "download",
    "dprime",
    "drop_missing",
    "events",
    "explore",
    "fit_nonlinearity",
    "jackknife",
    "listen",
    "load",
    "mean_score",
    "modulation_spectrum",
    "neurons",
    "normalize",
    "open",
    "open_sample",
    "plot",
    "predict",
    "presented",
    "psth",
    "quality",
    "resample",
    "responsiveness",
    "save",
    "score",
    "sel",
    "simulate_archive",
    "simultaneous",
    "smooth",
    "sounds",
    "spectrogram",
    "spike_counts",
    "split",
    "standardize",
    "stimuli",
    "strf",
    "take_trials",
    "to_deepstrf",
    "to_mat",
    "to_nwb",
    "to_pandas",
    "to_pynapple",
    "to_torch",
    "to_wav",
    "trial_halves",
    "trials",
    "tuning",
    "verify",
    "with_quality",
    "with_spectrogram",
]
