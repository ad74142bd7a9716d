"""Simulated neurons with known receptive fields, in the raw layout of AA1.

With them, the whole package runs without a CRCNS account, and estimates can be compared with the
true values.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.archive.parse import Sound
from aa1xr.archive.read import SIMULATION, Cell, Recording
from aa1xr.archive.simulated import simulated_cell, simulated_trials
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.atomic import refuse_existing
from aa1xr.dataset.grid import RECORDED_MS
from aa1xr.dataset.open import Chunks
from aa1xr.dataset.open import open as open_archive
from aa1xr.dataset.spectrogram import Mel, as_floats
from aa1xr.schema import parse_cell_id
from aa1xr.store import locate
from aa1xr.store.location import resolve_path
from aa1xr.typing import Floats

RATE = 32000
#: Receptive fields live on 5 ms bins and reach 100 ms back.
HOP = RATE * 5 // 1000
LAGS = 20
#: Recorded before and after each onset, as in AA1: bins.
BEFORE, AFTER = (abs(ms) // 5 for ms in RECORDED_MS)
#: Bins after the end of a sound that are drawn together with it.
TAIL = 300
MEL = Mel(RATE, HOP, 2 * HOP, 32, 0.0, RATE / 2, "cubic")

#: Part of the sample's file name, to be raised when the simulation changes.
_SAMPLE_VERSION = 3

#: AA1 has 29,300; each takes some hundred bytes.
_MOST_TRIALS = 10**7


def simulate_archive(
    path: str | os.PathLike[str],
    *,
    n_neurons: int = 12,
    n_songs: int = 10,
    n_ripples: int = 5,
    n_trials: int = 10,
    seed: int = 0,
) -> xr.Dataset:
    """Write an archive of simulated neurons in the raw layout of AA1.

    Songs are sequences of harmonic stacks, and ripples are modulation-limited noise. A neuron is a
    linear-nonlinear-Poisson model: the mel spectrogram (5 ms bins, 32 bands, cube root) is filtered
    by the receptive field, passed through a softplus, and drives an inhomogeneous Poisson process
    from 2 s before the onset of the stimulus to 4 s after it. As in AA1, neurons come in
    simultaneously recorded pairs (rig A in MLd, rig B in Field L). The second neuron has half as
    many trials again, the third was not presented songs, and the fourth hardly fires. Neuron k is
    the same in an archive of any size.

    Parameters
    ----------
    path
        A .zip file or a folder, which must not exist yet.
    n_neurons, n_songs, n_ripples, n_trials
        Numbers of neurons, stimuli and trials. Tens of thousands of neurons take time, but little
        memory.
    seed
        Archives with equal seeds and sizes are equal, byte for byte.

    Returns
    -------
    xarray.Dataset
        The true parameters: `strf` (neuron, freq, lag), and for each neuron `spontaneous` and
        `gain` in spikes/s and `threshold`, so that rate = spontaneous + gain * log(1 + exp(2 *
        (drive - threshold))), where drive[t] = sum over freq and lag of strf * spectrogram[freq, t
        - lag].

    Raises
    ------
    ValueError
        If a number is out of range.
    FileExistsError
        If there is something at `path`.

    Examples
    --------
    >>> truth = aa1xr.simulate_archive(tmp / "cells.zip", n_neurons=2, n_songs=1, n_ripples=1)
    >>> truth.strf.dims
    ('neuron', 'freq', 'lag')
    >>> aa1xr.open(tmp / "cells.zip", data_dir=tmp).sizes["neuron"]
    2
    """
    path = resolve_path("path", path)
    parameters = {
        name: arguments.check_integer(
            name, value, least, most, "AA1 is much smaller" if name != "seed" else ""
        )
        for name, value, least, most in (
            ("n_neurons", n_neurons, 1, 100_000),
            ("n_songs", n_songs, 0, 1000),
            ("n_ripples", n_ripples, 1, 1000),
            ("n_trials", n_trials, 1, 1000),
            ("seed", seed, 0, arguments.LARGEST_SEED),
        )
    }
    if (n_all := n_neurons * (n_songs + n_ripples) * n_trials) > _MOST_TRIALS:
        raise ValueError(
            f"n_neurons * (n_songs + n_ripples) * n_trials must be at most {_MOST_TRIALS}: the "
            f"archive would have many GB; got {n_all}"
        )
    refuse_existing(path)
    sounds = [_song(seed, k) for k in range(n_songs)]
    sounds += [_ripple(seed, k) for k in range(n_ripples)]
    stimuli = _Stimuli(sounds, seed)
    models = [_Model.draw(n, seed, stimuli) for n in range(n_neurons)]
    write_archive(
        path,
        sounds,
        (_record(model, stimuli, n_trials, seed) for model in models),
        extra={SIMULATION: json.dumps(parameters).encode()},
    )
    return _truth(models)


def open_sample(
    *,
    dt_ms: float = 5,
    before_ms: float = 0,
    after_ms: float = 0,
    n_mels: int = 32,
    window_ms: float = 10.0,
    fmin: float = 0,
    fmax: float | None = None,
    compression: str = "cubic",
    frames: str = "centred",
    chunks: Chunks = {},  # noqa: B006 - read only; xarray's own way
    data_dir: str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """Open a small simulated archive, which is created on first use.

    Code that works on it also works on AA1.

    Parameters
    ----------
    dt_ms, before_ms, after_ms, n_mels, window_ms, fmin, fmax, compression, frames, chunks, data_dir
        As in `aa1xr.open`.

    Returns
    -------
    xarray.Dataset
        Of 12 neurons, 10 songs and 5 ripples, as `aa1xr.open` returns it.

    Raises
    ------
    ValueError
        If an option is out of range.
    OSError
        If the sample cannot be written to the data directory.

    Examples
    --------
    >>> aa1xr.open_sample(dt_ms=5).sel(area="MLd", type="conspecific").sizes["neuron"]
    6
    """
    folder = locate.find_data_dir(data_dir)
    archive = folder / f"sample-v{_SAMPLE_VERSION}.zip"
    if not archive.exists():
        # Another process may be first: then its sample is the same.
        with contextlib.suppress(FileExistsError), locate.writing("the sample", folder):
            simulate_archive(archive)
    return open_archive(
        archive,
        dt_ms=dt_ms,
        before_ms=before_ms,
        after_ms=after_ms,
        n_mels=n_mels,
        window_ms=window_ms,
        fmin=fmin,
        fmax=fmax,
        compression=compression,
        frames=frames,
        chunks=chunks,
        data_dir=folder,
    )


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


@lru_cache(32)  # archives with equal seeds share sounds
def _song(seed: int, number: int) -> Sound:
    """Harmonic stacks that sweep a little, with gaps between them."""
    rng = _rng(seed, 0, number)
    parts: list[Floats] = []
    while sum(part.size for part in parts) < RATE * rng.uniform(1.6, 2.3):
        n = int(RATE * rng.uniform(0.05, 0.2))
        t = np.arange(n) / RATE
        pitch = rng.uniform(500, 1200) * (1 + rng.uniform(-0.2, 0.2) * t / t[-1])
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        peak, width = rng.uniform(1500, 6000), rng.uniform(800, 3000)
        stack = np.zeros(n)
        for k in range(1, 14):
            loudness = np.exp(-(((k * pitch.mean() - peak) / width) ** 2))
            stack += loudness * np.sin(k * phase)
        ramp = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
        parts += [rng.uniform(0.3, 1) * stack * ramp, np.zeros(int(RATE * rng.uniform(0.02, 0.08)))]
    return _as_sound("conspecific", np.concatenate(parts))


@lru_cache(32)
def _ripple(seed: int, number: int) -> Sound:
    """Noise from 250 Hz to 8 kHz, its envelope a sum of slow and coarse ripples; 2 s."""
    rng = _rng(seed, 1, number)
    n, n_bands = 2 * RATE, 40
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency = np.fft.rfftfreq(n, 1 / RATE)
    edges = np.linspace(250, 8000, n_bands + 1)
    t = np.arange(n) / RATE
    temporal, spectral = rng.uniform(-30, 30, 24), rng.uniform(0, 1.5, 24)
    phases = rng.uniform(0, 2 * np.pi, 24)
    # The cosine of a sum of angles, so that each angle is computed once and not for every band.
    in_time = 2 * np.pi * temporal * t[:, np.newaxis]
    in_band = 2 * np.pi * spectral[:, np.newaxis] * edges[:-1] / 1000 + phases[:, np.newaxis]
    ripples = np.cos(in_time) @ np.cos(in_band) - np.sin(in_time) @ np.sin(in_band)
    sound = np.zeros(n)
    for k, (low, high) in enumerate(pairwise(edges)):
        band = np.fft.irfft(np.where((frequency >= low) & (frequency < high), spectrum, 0), n)
        sound += np.exp(ripples[:, k] / 4) * band
    return _as_sound("flatrip", sound)


def _as_sound(type_: str, wave: Floats) -> Sound:
    samples = np.round(wave / np.abs(wave).max() * 0.9 * 2**15).astype(np.int16)
    samples.flags.writeable = False
    return make_sound(type_, samples, RATE)


class _Stimuli:
    """The sounds as a model hears them, and in the order in which each type was numbered."""

    def __init__(self, sounds: list[Sound], seed: int) -> None:
        self.sounds = sounds
        #: Lagged spectrograms with silence around them. [shape: (n_bins, n_mels * LAGS)] each
        self.lagged = [_lagged(MEL(as_floats(sound.samples))) for sound in sounds]
        rng = _rng(seed, 2)
        self.numbers = np.zeros(len(sounds), int)
        types = np.array([sound.type for sound in sounds])
        for type_ in np.unique(types):
            # As in AA1, the number of a stimulus does not follow its name.
            self.numbers[types == type_] = rng.permutation(np.sum(types == type_)) + 1


def _lagged(spectrogram: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    padded = np.pad(spectrogram, ((0, 0), (LAGS - 1, LAGS)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, LAGS, axis=1)[:, :, ::-1]
    return np.ascontiguousarray(windows.swapaxes(0, 1).reshape(windows.shape[1], -1))


@dataclass(frozen=True, eq=False)
class _Model:
    n: int
    area: str
    id: str
    field: npt.NDArray[np.float32]  #: [shape: (n_mels, LAGS)]
    spontaneous: float
    gain: float
    threshold: float

    @classmethod
    def draw(cls, n: int, seed: int, stimuli: _Stimuli) -> _Model:
        """A field with an early excitatory and a later inhibitory part; MLd answers earlier."""
        rng = _rng(seed, 3, n)
        midbrain = n % 2 == 0
        band, lag = np.arange(MEL.n_mels), np.arange(LAGS)
        latency = rng.uniform(1, 2) if midbrain else rng.uniform(2.5, 4.5)
        duration = rng.uniform(0.6, 1.0) if midbrain else rng.uniform(1.0, 2.0)
        centre, width = rng.uniform(8, 24), rng.uniform(1, 2.5)
        tuning = np.exp(-(((band - centre) / width) ** 2) / 2)
        excitation = np.exp(-(((lag - latency) / duration) ** 2) / 2)
        delayed = (lag - latency - 3 * duration) / (1.5 * duration)
        inhibition = rng.uniform(0.2, 0.5) * np.exp(-(delayed**2) / 2)
        field = np.outer(tuning, excitation - inhibition).astype(np.float32)
        # Scaled so that the drive has unit variance while sounds play.
        drive = np.concatenate([lagged @ field.ravel() for lagged in stimuli.lagged])
        field /= drive.std()
        threshold = float(drive.mean() / drive.std()) + rng.uniform(0, 0.5)
        mean = float(_softplus(drive / drive.std() - threshold).mean())
        spontaneous = rng.gamma(2, 0.2 if midbrain else 1.0)
        gain = rng.lognormal(np.log(10), 0.4) / mean
        if n == 3:
            spontaneous, gain = spontaneous / 50, gain / 50
        return cls(n, *simulated_cell(n), field, float(spontaneous), float(gain), threshold)

    def rate(self, lagged: npt.NDArray[np.float32]) -> Floats:
        """Spikes/s in each bin, from BEFORE the onset to TAIL after the end of the sound."""
        drive = (lagged @ self.field.ravel()).astype(np.float64)
        silent = _softplus(np.full(1, -self.threshold))
        sounding = _softplus(drive - self.threshold)
        nonlinear = np.concatenate(
            [np.repeat(silent, BEFORE), sounding, np.repeat(silent, TAIL - LAGS)]
        )
        return np.asarray(self.spontaneous + self.gain * nonlinear)


def _softplus(x: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, 2 * x))


def _record(model: _Model, stimuli: _Stimuli, n_trials: int, seed: int) -> Cell:
    rng = _rng(seed, 4, model.n)
    of_type = simulated_trials(model.n, n_trials)
    recordings = []
    for s, sound in enumerate(stimuli.sounds):
        if not (n_trials := of_type[sound.type]):
            continue
        rate = model.rate(stimuli.lagged[s])
        first = rate.size - BEFORE
        # Drawn apart, so that the spikes around the sound do not depend on how long was recorded.
        rest = np.repeat(rate[-1:], max(0, AFTER - first))
        drawn = (
            _spikes(rate, -BEFORE, n_trials, rng),
            _spikes(rest, first, n_trials, _rng(seed, 5, model.n, s)),
        )
        trial, times = (np.concatenate([part[k] for part in drawn]) for k in (0, 1))
        order = np.lexsort((times, trial))
        order = order[times[order] < AFTER * HOP * 10**6 // RATE]
        times, counts = times[order], np.bincount(trial[order], minlength=n_trials).astype(np.int32)
        number = int(stimuli.numbers[s])
        recordings.append(Recording(number, sound.type, sound.name, times, counts))
    return Cell(model.id, model.area, recordings)


def _spikes(
    rate: Floats, first: int, n_trials: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """Draw Poisson processes from bin `first` on: the trial and the microseconds of each spike."""
    edges = (first + np.arange(rate.size + 1)) * (HOP / RATE)
    expected = np.concatenate([[0.0], np.cumsum(rate)]) * (HOP / RATE)
    counts = rng.poisson(expected[-1], n_trials)
    trial = np.repeat(np.arange(n_trials), counts)
    quantile = rng.uniform(0, expected[-1], trial.size)
    times = np.floor(np.interp(quantile, expected, edges) * 1e6)
    return trial, times.astype(np.int32)


def _truth(models: list[_Model]) -> xr.Dataset:
    per_neuron: dict[str, Any] = {
        "spontaneous": ([m.spontaneous for m in models], schema.RATE, "rate added at all times"),
        "gain": ([m.gain for m in models], schema.RATE, "scale of the driven rate"),
        "threshold": ([m.threshold for m in models], "1", "drive at which the neuron responds"),
    }
    strf = xr.Variable(
        ("neuron", "freq", "lag"),
        np.stack([model.field for model in models]),
        {"units": "1", "long_name": "spectro-temporal receptive field"},
    )
    lag_attrs = MEL.attrs | {"units": "s", "long_name": "lag"}
    truth = xr.Dataset(
        {"strf": strf}
        | {
            name: xr.Variable("neuron", values, {"units": units, "long_name": long_name})
            for name, (values, units, long_name) in per_neuron.items()
        },
        {
            "neuron": [model.id for model in models],
            "area": ("neuron", [model.area for model in models]),
            "freq": ("freq", MEL.centres(), {"units": "Hz"}),
            "lag": ("lag", np.arange(LAGS) * HOP / RATE, lag_attrs),
        },
        attrs={"title": "True receptive fields of simulated neurons", "dt_ms": 1000 * HOP / RATE},
    )
    # In the order in which aa1xr.open gives the neurons.
    order = sorted(range(len(models)), key=lambda n: (models[n].area, parse_cell_id(models[n].id)))
    return truth.isel(neuron=order)
