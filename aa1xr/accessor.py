"""`ds.aa1` and `ds.psth.aa1`: the functions of the package, reached from the data.

Each method is the function of the same name, and nothing else; see `help(aa1xr.resample)`.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import xarray as xr

from aa1xr import plot, summary
from aa1xr.analysis.coherence import coherence
from aa1xr.analysis.counts import spike_counts
from aa1xr.analysis.pairs import During
from aa1xr.analysis.presentations import presented
from aa1xr.analysis.psth import psth
from aa1xr.analysis.quality import quality, with_quality
from aa1xr.analysis.resample import resample
from aa1xr.analysis.scale import Scaling, normalize, standardize
from aa1xr.analysis.scores import score
from aa1xr.analysis.sel import sel
from aa1xr.analysis.select import drop_missing, simultaneous
from aa1xr.analysis.selectivity import dprime, responsiveness
from aa1xr.analysis.smooth import Window, smooth
from aa1xr.analysis.split import Split, split
from aa1xr.analysis.trials import Trials, take_trials
from aa1xr.export.deepstrf import DeepSTRFLists, to_deepstrf
from aa1xr.export.nwb import to_nwb
from aa1xr.export.pandas import to_pandas
from aa1xr.export.pynapple import Site, to_pynapple
from aa1xr.export.torch import to_torch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from aa1xr.export.torch_dataset import StimulusDataset


@xr.register_dataset_accessor("aa1")  # type: ignore[no-untyped-call]
class DatasetAccessor:
    """Functions over a Dataset.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> ds.sel(type="conspecific").aa1.drop_missing().aa1.resample(20).sizes["neuron"]
    11
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def __repr__(self) -> str:
        return summary.as_text(summary.summarize(self._ds))

    def _repr_html_(self) -> str:
        return summary.as_html(summary.summarize(self._ds))

    @property
    def plot(self) -> PlotAccessor:
        """Pictures of the data, as in `aa1xr.plot`."""
        return PlotAccessor(self._ds)

    def coherence(
        self, prediction: xr.DataArray, *, window_ms: float = 256, during: During = "stimulus"
    ) -> xr.Dataset:
        """Coherence of a predicted rate with the responses, and of the true rate with them."""
        return coherence(prediction, self._ds, window_ms=window_ms, during=during)

    def dprime(
        self, other: xr.Dataset, *, start: float = 0.0, stop: float | None = None
    ) -> xr.DataArray:
        """Selectivity of each neuron for one set of stimuli over another."""
        return dprime(self._ds, other, start=start, stop=stop)

    def drop_missing(self) -> xr.Dataset:
        """Leave out neurons without data for the stimuli that are left, and the reverse."""
        return drop_missing(self._ds)

    def presented(self) -> xr.DataArray:
        """Which presentations there were."""
        return presented(self._ds)

    def psth(self) -> xr.DataArray:
        """Firing rate over the trials that are left in a selection."""
        return psth(self._ds)

    def quality(
        self, *, by: Literal["neuron", "stimulus"] = "neuron", max_splits: int = 10_000
    ) -> xr.Dataset:
        """Measure rate, reliability and latency of the responses."""
        return quality(self._ds, by=by, max_splits=max_splits)

    def responsiveness(self, *, window_s: float | None = None) -> xr.Dataset:
        """Test whether each neuron responds to sound, and correct for the number of neurons."""
        return responsiveness(self._ds, window_s=window_s)

    def resample(self, dt_ms: float) -> xr.Dataset:
        """Join bins to wider ones."""
        return resample(self._ds, dt_ms=dt_ms)

    def score(
        self,
        prediction: xr.DataArray,
        *,
        during: During = "stimulus",
        max_splits: int = 10_000,
        min_rate: float = 0.1,
    ) -> xr.Dataset:
        """Score a predicted firing rate for each neuron."""
        return score(prediction, self._ds, during=during, max_splits=max_splits, min_rate=min_rate)

    def sel(self, **labels: Any) -> xr.Dataset:
        """Select by any labels, several of one dimension and lists of repeated labels included."""
        return sel(self._ds, **labels)

    def simultaneous(self) -> xr.Dataset:
        """The pairs of cells recorded at the same time."""
        return simultaneous(self._ds)

    def spike_counts(self, *, start: float = 0.0, stop: float | None = None) -> xr.DataArray:
        """Count the spikes of each trial in a window of time."""
        return spike_counts(self._ds, start=start, stop=stop)

    def split(
        self,
        *,
        by: str = "stimulus",
        test: float | None = None,
        validation: float | None = None,
        n_folds: int | None = None,
        stratify: str | None = "auto",
        seed: int = 0,
    ) -> Split | list[Split]:
        """Divide stimuli into training, validation and test, or into folds."""
        return split(
            self._ds,
            by=by,
            test=test,
            validation=validation,
            n_folds=n_folds,
            stratify=stratify,
            seed=seed,
        )

    def take_trials(self, trials: Trials) -> xr.Dataset:
        """Select trials in all variables."""
        return take_trials(self._ds, trials)

    def to_deepstrf(self) -> DeepSTRFLists:
        """The lists of tensors that deepSTRF 0.1.0 works on."""
        return to_deepstrf(self._ds)

    def to_nwb(
        self,
        folder: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, Any] | None = None,
    ) -> list[Path]:
        """Write one NWB file for each recording site."""
        return to_nwb(self._ds, folder, storage_options=storage_options)

    def to_pandas(self) -> pd.DataFrame:
        """A tidy table of the spikes."""
        return to_pandas(self._ds)

    def to_pynapple(self) -> dict[str, Site]:
        """Spike trains and trials as pynapple has them."""
        return to_pynapple(self._ds)

    def to_torch(self, *, responses: str = "psth", cache: bool = False) -> StimulusDataset:
        """A `torch.utils.data.Dataset` whose items are the stimuli."""
        return to_torch(self._ds, responses=responses, cache=cache)

    def with_quality(self, *, max_splits: int = 10_000) -> xr.Dataset:
        """Add the quality of the responses as coordinates of the neurons."""
        return with_quality(self._ds, max_splits=max_splits)


@xr.register_dataarray_accessor("aa1")  # type: ignore[no-untyped-call]
class DataArrayAccessor:
    """Functions over one variable.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> rates, scaling = ds.psth.aa1.smooth(21).aa1.normalize()
    """

    def __init__(self, da: xr.DataArray) -> None:
        self._da = da

    def normalize(
        self,
        *,
        method: Literal["max", "zscore"] = "max",
        stats_from: xr.DataArray | None = None,
        during: During = "stimulus",
    ) -> tuple[xr.DataArray, Scaling]:
        """Bring the responses of all neurons to one scale."""
        return normalize(self._da, method=method, stats_from=stats_from, during=during)

    def sel(self, **labels: Any) -> xr.DataArray:
        """Select by any labels, several of one dimension and lists of repeated labels included."""
        return sel(self._da, **labels)

    def smooth(
        self,
        window_ms: float = 21,
        *,
        window: Window = "hann",
        match: Literal["deepSTRF"] | None = None,
    ) -> xr.DataArray:
        """Smooth along time."""
        return smooth(self._da, window_ms=window_ms, window=window, match=match)

    def standardize(
        self,
        *,
        over: Hashable | Iterable[Hashable] | EllipsisType,
        stats_from: xr.DataArray | None = None,
        during: During = "stimulus",
    ) -> tuple[xr.DataArray, Scaling]:
        """Subtract the mean and divide by the standard deviation."""
        return standardize(self._da, over=over, stats_from=stats_from, during=during)


class PlotAccessor:
    """Pictures of a Dataset.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> ds.sel(area="MLd", stimulus="conspecific-00").aa1.plot.psth().get_ylabel()
    'rate (spikes/s)'
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def coverage(self, *, ax: Axes | None = None) -> Axes:
        """Draw which cell heard what."""
        return plot.coverage(self._ds, ax=ax)

    def psth(
        self, neuron: str | None = None, stimulus: str | None = None, *, ax: Axes | None = None
    ) -> Axes:
        """Draw the firing rate over time."""
        return plot.psth(self._ds, neuron, stimulus, ax=ax)

    def quality(self, *, measure: str = "ccmax", ax: Axes | None = None) -> Axes:
        """Draw a measure of each cell's responses, by area."""
        return plot.quality(self._ds, measure=measure, ax=ax)

    def raster(
        self, neuron: str | None = None, stimulus: str | None = None, *, ax: Axes | None = None
    ) -> Axes:
        """Draw the spikes of one cell in each presentation of one sound."""
        return plot.raster(self._ds, neuron, stimulus, ax=ax)

    def response(
        self,
        neuron: str | None = None,
        stimulus: str | None = None,
        *,
        figure: Figure | SubFigure | None = None,
    ) -> tuple[Axes, Axes, Axes]:
        """Draw one cell's response to one sound."""
        return plot.response(self._ds, neuron, stimulus, figure=figure)

    def spectrogram(self, stimulus: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw the spectrogram of one sound."""
        return plot.spectrogram(self._ds, stimulus, ax=ax)

    def strf(self, neuron: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot the spectro-temporal receptive field of one neuron."""
        return plot.strf(self._ds, neuron, ax=ax)
