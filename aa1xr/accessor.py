"""`ds.aa1` and `ds.psth.aa1`: the functions of the package as methods of the data.

Each method is the function of the same name without its first argument, the data; there is
nothing else to know: see `help(aa1xr.resample)`, or `help(ds.aa1.resample)`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from aa1xr import plot, summary
from aa1xr.analysis.coherence import coherence
from aa1xr.analysis.counts import spike_counts
from aa1xr.analysis.mean_score import mean_score
from aa1xr.analysis.modulation import modulation_spectrum
from aa1xr.analysis.nonlinearity import fit_nonlinearity
from aa1xr.analysis.predict import predict
from aa1xr.analysis.psth import psth
from aa1xr.analysis.quality import quality, with_quality
from aa1xr.analysis.resample import resample
from aa1xr.analysis.scale import normalize, standardize
from aa1xr.analysis.scores import score
from aa1xr.analysis.sel import sel
from aa1xr.analysis.select import drop_missing, simultaneous
from aa1xr.analysis.selectivity import dprime, responsiveness
from aa1xr.analysis.smooth import smooth
from aa1xr.analysis.split import split
from aa1xr.analysis.strf import strf
from aa1xr.analysis.trial_checks import presented
from aa1xr.analysis.trials import take_trials, trial_halves
from aa1xr.analysis.tuning import tuning
from aa1xr.dataset.events import events
from aa1xr.dataset.persist import save
from aa1xr.dataset.sounds import sounds
from aa1xr.dataset.with_spectrogram import spectrogram, with_spectrogram
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

P = ParamSpec("P")
T = TypeVar("T")


class _Method(Generic[P, T]):
    """A function whose first argument is the data, bound to the data of an accessor.

    A bound method shows the signature and the documentation of its function, without the first
    argument, to `help`, to editors and to type checkers.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], T]) -> None:
        self._function = function

    def __get__(self, accessor: _Accessor | None, owner: type) -> Callable[P, T]:
        if accessor is None:
            return cast("Callable[P, T]", self._function)
        return MethodType(self._function, accessor._data)  # noqa: SLF001 - of the same module


class _Accessor:
    def __init__(self, data: Any) -> None:
        self._data = data


class PlotAccessor(_Accessor):
    """The functions of `aa1xr.plot`, as methods of a Dataset.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> ds.sel(area="MLd", stimulus="conspecific-00").aa1.plot.psth().get_ylabel()
    'rate (spikes/s)'
    """

    compare = _Method(plot.compare)
    coverage = _Method(plot.coverage)
    modulation_spectrum = _Method(plot.modulation_spectrum)
    population = _Method(plot.population)
    psth = _Method(plot.psth)
    quality = _Method(plot.quality)
    raster = _Method(plot.raster)
    response = _Method(plot.response)
    spectrogram = _Method(plot.spectrogram)
    strf = _Method(plot.strf)
    strfs = _Method(plot.strfs)


class DatasetAccessor(_Accessor):
    """The functions of the package that take a Dataset first, as its methods.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> ds.sel(type="conspecific").aa1.drop_missing().aa1.resample(20).sizes["neuron"]
    11
    """

    coherence = _Method(coherence)
    dprime = _Method(dprime)
    drop_missing = _Method(drop_missing)
    events = _Method(events)
    explore = _Method(explore)
    listen = _Method(listen)
    mean_score = _Method(mean_score)
    modulation_spectrum = _Method(modulation_spectrum)
    neurons = _Method(neurons)
    predict = _Method(predict)
    presented = _Method(presented)
    psth = _Method(psth)
    quality = _Method(quality)
    resample = _Method(resample)
    responsiveness = _Method(responsiveness)
    save = _Method(save)
    score = _Method(score)
    sel = _Method(sel)
    simultaneous = _Method(simultaneous)
    sounds = _Method(sounds)
    spectrogram = _Method(spectrogram)
    spike_counts = _Method(spike_counts)
    split = _Method[..., Any](split)  # overloaded
    stimuli = _Method(stimuli)
    strf = _Method(strf)
    take_trials = _Method(take_trials)
    to_deepstrf = _Method(to_deepstrf)
    to_mat = _Method(to_mat)
    to_nwb = _Method(to_nwb)
    to_pandas = _Method(to_pandas)
    to_pynapple = _Method(to_pynapple)
    to_torch = _Method[..., Any](to_torch)  # overloaded
    to_wav = _Method(to_wav)
    trial_halves = _Method(trial_halves)
    trials = _Method(trials)
    tuning = _Method(tuning)
    with_quality = _Method(with_quality)
    with_spectrogram = _Method(with_spectrogram)

    def __repr__(self) -> str:
        return summary.as_text(summary.summarize(self._data))

    def _repr_html_(self) -> str:
        return summary.as_html(summary.summarize(self._data))

    @property
    def plot(self) -> PlotAccessor:
        """Plots of the data, as in `aa1xr.plot`."""
        return PlotAccessor(self._data)


class DataArrayAccessor(_Accessor):
    """The functions of the package that take a variable first, as its methods.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> rates, scaling = ds.psth.aa1.smooth(21).aa1.normalize()
    """

    fit_nonlinearity = _Method(fit_nonlinearity)
    modulation_spectrum = _Method(modulation_spectrum)
    normalize = _Method(normalize)
    sel = _Method(sel)
    smooth = _Method(smooth)
    split = _Method[..., Any](split)  # overloaded
    standardize = _Method(standardize)
