"""The CRCNS AA1 recordings as one lazy, labelled `xarray.Dataset`.

>>> ds = aa1xr.open_sample(dt_ms=5)  # simulated; aa1xr.open(dt_ms=5) once you have the data
>>> ds.psth.sel(area="MLd", type="conspecific").mean("neuron").dims
('stimulus', 'time')
"""

from aa1xr import accessor as _accessor  # noqa: F401 - makes ds.aa1
from aa1xr import benchmark
from aa1xr.analysis.coherence import coherence
from aa1xr.analysis.counts import spike_counts
from aa1xr.analysis.mean_score import mean_score
from aa1xr.analysis.modulation import modulation_spectrum
from aa1xr.analysis.nonlinearity import Nonlinearity, fit_nonlinearity
from aa1xr.analysis.predict import predict
from aa1xr.analysis.psth import psth
from aa1xr.analysis.quality import quality, with_quality
from aa1xr.analysis.resample import resample
from aa1xr.analysis.scale import Scaling, normalize, standardize
from aa1xr.analysis.scores import score
from aa1xr.analysis.sel import sel
from aa1xr.analysis.select import drop_missing, simultaneous
from aa1xr.analysis.selectivity import dprime, responsiveness
from aa1xr.analysis.smooth import smooth
from aa1xr.analysis.split import Split, split
from aa1xr.analysis.strf import strf
from aa1xr.analysis.trial_checks import presented
from aa1xr.analysis.trials import take_trials, trial_halves
from aa1xr.analysis.tuning import tuning
from aa1xr.analysis.uncertainty import bootstrap, jackknife
from aa1xr.citation import cite
from aa1xr.dataset.events import events
from aa1xr.dataset.open import open  # noqa: A004 - as in xarray and zarr
from aa1xr.dataset.persist import load, save
from aa1xr.dataset.sounds import sounds
from aa1xr.dataset.with_spectrogram import spectrogram, with_spectrogram
from aa1xr.errors import (
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
from aa1xr.explorer.explore import explore
from aa1xr.export.deepstrf import to_deepstrf
from aa1xr.export.listen import listen
from aa1xr.export.mat import to_mat
from aa1xr.export.nwb import to_nwb
from aa1xr.export.pandas import to_pandas
from aa1xr.export.pynapple import to_pynapple
from aa1xr.export.tables import neurons, stimuli, trials
from aa1xr.export.torch import to_torch
from aa1xr.export.wav import to_wav
from aa1xr.simulation import open_sample, simulate_archive
from aa1xr.store.copy import copy_store
from aa1xr.store.prepare import build, download, verify
from aa1xr.version import VERSION as _VERSION

__version__ = _VERSION

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
