"""What a page shows, computed with the functions of the package and kept with a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from aa1xr.analysis.delays import delays
from aa1xr.analysis.predict import predict
from aa1xr.analysis.quality import quality
from aa1xr.analysis.scores import score
from aa1xr.analysis.smooth import smooth
from aa1xr.analysis.split import split
from aa1xr.analysis.strf import strf
from aa1xr.analysis.trial_checks import presented
from aa1xr.analysis.trials import take_trials
from aa1xr.analysis.tuning import tuning
from aa1xr.dataset.events import events, open_all, store_of
from aa1xr.dataset.sounds import sounds
from aa1xr.explorer.state import Choices, State, first_state
from aa1xr.export.listen import wav_file
from aa1xr.typing import Floats

#: Measures of `aa1xr.quality` in the table and to sort by.
SHOWN = ("rate_driven", "ccmax", "snr", "latency", "rate_z", "rate_spontaneous", "ttrc", "fano")
#: Bins of the spectrogram in ms, whatever those of the PSTH are: each width is cached on disk.
_SOUND_MS = 2.0
#: Bins of the receptive fields and predictions in ms, and the number of folds.
_FIELD_MS, _FOLDS = 5.0, 5
#: The waveform is drawn as its range in so many milliseconds.
_RANGE_MS = 2.0
#: Results that are kept, of each kind. The largest are PSTHs of all neurons (up to 1.2 MB for AA1).
_KEPT = 32
#: Silence on the scale of colours: this far below the loudest, in dB.
RANGE_DB = 60

#: Neurons whose spikes are read together; all of AA1 are one block (3 MB).
_BLOCK = 128

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Sound:
    """One stimulus."""

    level: npt.NDArray[np.float32]  #: dB [shape: (freq, time)]
    start: float  #: s, of the first bin of `level`
    width: float  #: s, of its bins
    freq: Floats  #: Hz
    times: Floats  #: s, of the waveform
    low: Floats  #: its range around each time
    high: Floats
    duration: float  #: s


@dataclass(frozen=True, eq=False)
class Response:
    """One neuron and one stimulus."""

    spike_times: Floats  #: s
    spike_rows: npt.NDArray[np.intp]  #: the row of each spike: its place among the trials
    trials: npt.NDArray[Any]  #: number of the trial of each row
    edges: Floats  #: s, left edges of the bins
    rate: Floats  #: spikes/s


@dataclass(frozen=True, eq=False)
class Field:
    """The receptive field of one neuron, fitted without the stimulus that it predicts."""

    weights: Floats  #: [shape: (freq, lag)]
    delays: Floats  #: s, the middle of each lag
    freq: Floats  #: Hz
    tuning: dict[str, float]
    cc_norm: float  #: over the predictions of all stimuli of the type
    edges: Floats  #: s, left edges of the bins of the prediction
    rate: Floats  #: spikes/s


class Data:
    """A store, with the neurons and the stimuli of a Dataset. Shared by all pages of a server."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._store = store_of(ds)
        self._axes = {dim: ds[dim].values for dim in ("neuron", "stimulus")}
        #: The user's own labels too.
        self._labels = ds.coords.to_dataset().reset_coords().drop_vars("time", errors="ignore")
        self._positions = {
            dim: {str(name): k for k, name in enumerate(names)} for dim, names in self._axes.items()
        }
        self._results: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.RLock()
        self._background = ThreadPoolExecutor(1, thread_name_prefix="aa1xr-explore")
        self._fits: dict[str, Future[xr.Dataset]] = {}
        self.source = self._store.source
        self._quality = self._background.submit(self._measure)
        self.choices = Choices(
            neurons=tuple(map(str, self._axes["neuron"])),
            stimuli=tuple(map(str, self._axes["stimulus"])),
            n_trials=self._open(_FIELD_MS).sizes["trial"],
            measures=SHOWN,
        )
        self._background.submit(self._prepare)

    def _prepare(self) -> None:
        """Compute what the first look at each stimulus needs."""
        state = first_state(self.choices)
        for stimulus in self.choices.stimuli[:_KEPT]:
            self.sound(replace(state, stimulus=stimulus))
            self.population(replace(state, stimulus=stimulus))

    def close(self) -> None:
        """Stop what is computed in the background."""
        self._background.shutdown(wait=False, cancel_futures=True)

    def _keep(self, kind: str, key: Hashable, make: Callable[[], T]) -> T:
        """A result that is kept, or made; the least recently used ones are forgotten."""
        with self._lock:
            full = (kind, key)
            if full not in self._results:
                self._results[full] = make()
                mine = [k for k in self._results if k[0] == kind]  # type: ignore[index]
                for old in mine[:-_KEPT]:
                    del self._results[old]
            self._results.move_to_end(full)
            value: T = self._results[full]
            return value

    def _open(self, dt_ms: float, before_ms: float = 0, after_ms: float = 0, **of: Any) -> Any:
        def make() -> xr.Dataset:
            window = {"dt_ms": dt_ms, "before_ms": before_ms, "after_ms": after_ms}
            return open_all(self._store, cache=False, **window, **of).sel(self._axes)

        return self._keep("ds", (dt_ms, before_ms, after_ms, *of.items()), make)

    def _measure(self) -> xr.Dataset:
        ds = self._open(5.0, 500).chunk(neuron=16)
        return quality(ds)[list(SHOWN)].compute()

    def neurons(self) -> pd.DataFrame:
        """The table of neurons: labels, numbers, measures; waits for the measures."""
        table = self._labels_along("neuron")
        n_trials = self._open(_FIELD_MS)["n_trials"]
        table["stimuli"] = (n_trials > 0).sum("stimulus").values
        table["trials"] = n_trials.sum("stimulus").values
        for name, measure in self._quality.result().items():
            table[str(name)] = measure.values
        return table

    def stimuli(self) -> pd.DataFrame:
        """The table of stimuli: labels, and the number of neurons that were presented each."""
        table = self._labels_along("stimulus")
        n_trials = self._open(_FIELD_MS)["n_trials"]
        table["neurons"] = (n_trials > 0).sum("neuron").values
        return table

    def _labels_along(self, dim: str) -> pd.DataFrame:
        names = [name for name, v in self._labels.variables.items() if v.dims == (dim,)]
        names.sort(key=lambda name: (name != dim, name))
        return pd.DataFrame({str(name): self._labels[name].values for name in names})

    def sound(self, state: State) -> Sound:
        """The stimulus in its window."""
        window = state.before_ms, state.after_ms

        def make() -> Sound:
            ds = self._open(_SOUND_MS, *window, compression="db")
            one = ds[["spectrogram"]].sel(stimulus=state.stimulus)
            duration = float(one["duration_s"])
            end = duration + state.after_ms / 1000
            time = one["time"].values
            level = one["spectrogram"].values[:, time < end]
            wave = sounds(ds.sel(stimulus=[state.stimulus])[["spectrogram"]])
            samples = wave["waveform"].values[0]
            n = round(float(wave["sample_rate"][0]) * _RANGE_MS / 1000)
            samples = samples[: samples.size // n * n].reshape(-1, n)
            times = wave["time"].values[: samples.size : n] + _RANGE_MS / 2000
            inside = times < end
            return Sound(
                level=np.asarray(level, np.float32),
                start=float(time[0]),
                width=_SOUND_MS / 1000,
                freq=one["freq"].values,
                times=times[inside],
                low=samples.min(1)[inside],
                high=samples.max(1)[inside],
                duration=duration,
            )

        return self._keep("sound", (state.stimulus, window), make)

    def response(self, state: State, neuron: str) -> Response | None:
        """The response of one neuron; None if it was not presented the stimulus in the trials."""
        position = self._positions["neuron"][neuron]
        edges, rates = self.population(state)
        there = np.flatnonzero(~np.isnan(rates[position]))
        if not there.size:
            return None
        inside = slice(there[0], there[-1] + 1)
        edges, rate = edges[inside], rates[position, inside]
        own, heard = self._events(position // _BLOCK)
        at = position % _BLOCK, self._positions["stimulus"][state.stimulus]
        rows = heard[at].copy()
        if state.trials is not None:
            rows[: state.trials[0]] = rows[state.trials[1] + 1 :] = False
        sizes, starts = own["row_size"].values[at], own["row_start"].values[at]
        times = own["spike_time"].values[starts[0] : starts[-1] + sizes[-1]] / 1e6
        trial = np.repeat(np.arange(sizes.size), sizes)
        shown = rows[trial] & (times >= edges[0]) & (times < edges[-1] + state.dt_ms / 1000)
        return Response(
            spike_times=times[shown],
            spike_rows=(np.cumsum(rows) - 1)[trial[shown]],
            trials=own["trial"].values[rows],
            edges=edges,
            rate=rate,
        )

    def _events(self, block: int) -> tuple[xr.Dataset, npt.NDArray[np.bool_]]:
        """The spikes of a block of neurons, and which trials they were presented."""

        def make() -> tuple[xr.Dataset, npt.NDArray[np.bool_]]:
            ds = self._open(_FIELD_MS)[["spikes", "n_trials"]]
            own = events(ds.isel(neuron=slice(block * _BLOCK, (block + 1) * _BLOCK)))
            return own, presented(own).values

        return self._keep("events", block, make)

    def population(self, state: State) -> tuple[Floats, Floats]:
        """Left edges of the bins, and the rate of all neurons. [shape: (neuron, time)]."""
        key = (state.stimulus, state.dt_ms, state.smooth_ms, state.before_ms, state.after_ms)

        def make() -> tuple[Floats, Floats]:
            ds = self._open(state.dt_ms, state.before_ms, state.after_ms)
            one = ds[["spikes", "psth", "n_trials"]].sel(stimulus=[state.stimulus])
            if state.trials is not None:
                one = take_trials(one, slice(state.trials[0], state.trials[1] + 1))
            rate = one["psth"].isel(stimulus=0).transpose("neuron", "time").compute()
            if state.smooth_ms:
                rate = smooth(rate, state.smooth_ms)
            return rate["time"].values, rate.values

        return self._keep("population", (*key, state.trials), make)

    def order(self, measure: str) -> npt.NDArray[np.intp]:
        """Positions of the neurons, the largest measure first; NaN last."""
        return np.argsort(-self._quality.result()[measure].values, kind="stable")

    def field(self, state: State, neuron: str) -> Field | str | Future[xr.Dataset]:
        """The receptive field of one neuron.

        Until the fit is done, its Future; a text that says why, if there is no field.
        """
        type_ = str(self._open(_FIELD_MS)["type"].sel(stimulus=state.stimulus).item())
        with self._lock:
            if type_ not in self._fits:
                self._fits[type_] = self._background.submit(self._fit, type_)
            future = self._fits[type_]
        if not future.done():
            return future
        if error := future.exception():
            return str(error)
        fits = future.result().sel(neuron=neuron, stimulus=state.stimulus)
        weights = fits["strf"].transpose("freq", "lag").values
        if np.isnan(weights).any():
            return "no STRF: the neuron was not presented enough stimuli of this type"
        known: Any = delays(fits["lag"].values, fits["lag"].attrs)
        rate = fits["prediction"]
        if state.smooth_ms:
            rate = smooth(rate, state.smooth_ms)
        rate = rate.dropna("time")
        return Field(
            weights=weights,
            delays=known[1],
            freq=fits["freq"].values,
            tuning={name: float(fits[name]) for name in ("best_frequency", "latency", "bandwidth")},
            cc_norm=float(fits["cc_norm"]),
            edges=rate["time"].values,
            rate=rate.values,
        )

    def _fit(self, type_: str) -> xr.Dataset:
        """The fits of all neurons to all stimuli of a type but those of a fold, by stimulus."""
        ds = self._open(_FIELD_MS).chunk(neuron=16)
        ds = ds.isel(stimulus=np.flatnonzero(ds["type"].values == type_))
        if ds.sizes["stimulus"] < 2 * _FOLDS:
            raise ValueError(f"no STRF: it needs {2 * _FOLDS} stimuli of the type {type_}")
        parts = []
        for fold in split(ds, n_folds=_FOLDS):
            fit = strf(ds, train=fold.train, validation=fold.validation, refit=True).compute()
            test = ds.sel(stimulus=fold.test)
            rate = predict(test, fit).transpose("neuron", ...).compute()
            own = tuning(fit).compute().assign(strf=fit["strf"])
            own = own.drop_vars([name for name in own.coords if name not in own.dims])
            lone = rate.drop_vars([name for name in rate.coords if name not in rate.dims])
            parts.append(own.assign(prediction=lone))
            # One field for each stimulus that it was not fitted to.
            for name in own.data_vars:
                parts[-1][name] = own[name].expand_dims(stimulus=fold.test)
        fits = xr.concat(parts, "stimulus", data_vars="all").sel(stimulus=ds["stimulus"].values)
        prediction = fits["prediction"].assign_attrs(rate.attrs)
        fits["cc_norm"] = score(ds, prediction)["cc_norm"].compute().variable
        return fits

    def wav(self, state: State, *, spikes: bool) -> tuple[bytes, float]:
        """The stimulus as a wav file, with clicks of the first neuron, and when it starts in s."""
        ds = self._open(state.dt_ms, state.before_ms, state.after_ms)
        start = float(ds["time"][0])
        neuron, trial = None, None
        if spikes:
            response = self.response(state, state.neurons[0])
            if response is not None:
                neuron, trial = state.neurons[0], int(response.trials[0])
        # With one neuron alone, `wav_file` would play its spikes.
        chosen = ds if neuron else ds.isel(neuron=[])
        return wav_file(chosen, state.stimulus, neuron=neuron, trial=trial), start
