"""Mel spectrograms on the grid of the bins, computed once and kept in the store."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import warnings
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr import arguments
from aa1xr.dataset.grid import Grid, exact_ms
from aa1xr.errors import StoreError
from aa1xr.store.read import Store

logger = logging.getLogger("aa1xr")

#: Bytes of spectrograms that a process keeps of stores that cannot be written to. AA1's are 2 MB at
#: 5 ms.
_MEMORY_LIMIT = 256 * 2**20
#: Those spectrograms, the oldest first.
_MEMORY: dict[str, npt.NDArray[np.float32]] = {}
#: Held while a spectrogram is computed, by the same keys.
_COMPUTING: dict[str, Lock] = {}

Floats = npt.NDArray[np.floating[Any]]
COMPRESSIONS = ("cubic", "log1p", "none")


@dataclass(frozen=True)
class Mel:
    """The parameters of a mel spectrogram.

    Power of the Hann-windowed Fourier transform (`n_fft` samples, centred on every `hop`-th
    sample, silence around the sound), in triangular bands that are equally wide in mel (HTK:
    m = 2595 log10(1 + f / 700); O'Shaughnessy 1987, Speech Communication), then compressed.
    """

    sample_rate: int
    hop: int
    n_fft: int
    n_mels: int
    fmin: float
    fmax: float
    compression: str

    def centres(self) -> npt.NDArray[np.float64]:
        """Centre frequencies of the bands in Hz. [shape: (n_mels,)]."""
        return self._edges()[1:-1]

    def _edges(self) -> npt.NDArray[np.float64]:
        low, high = 2595 * np.log10(1 + np.array([self.fmin, self.fmax]) / 700)
        edges = 700 * (10 ** (np.linspace(low, high, self.n_mels + 2) / 2595) - 1)
        return np.asarray(edges, dtype=np.float64)

    def empty_bands(self) -> list[int]:
        """The bands in which no frequency of the Fourier transform lies."""
        frequencies = np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)
        edges = self._edges()
        low = np.searchsorted(frequencies, edges[:-2], side="right")
        high = np.searchsorted(frequencies, edges[2:], side="left")
        return np.flatnonzero(low >= high).tolist()

    def __call__(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        """The spectrogram of one sound. [shape: (n_mels, ceil(n_samples / hop))]."""
        # librosa takes seconds to import; its stft would compile numba code on top of that.
        with warnings.catch_warnings():
            # Its imports include tqdm, which warns in every notebook without ipywidgets.
            warnings.simplefilter("ignore")
            from librosa.filters import mel
        from scipy.signal import get_window
        from scipy.sparse import csr_array

        bands = mel(
            sr=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
            htk=True,
            norm=None,
        )
        half = self.n_fft // 2
        padded = np.pad(samples.astype(np.float32) / 2**15, (half, self.n_fft - half))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop]
        frames = frames[: -(-samples.size // self.hop)]
        window = get_window("hann", self.n_fft).astype(np.float32)
        power = np.abs(np.fft.rfft(frames * window)) ** 2
        # Sparse, since a dense product rounds by the number of threads that BLAS is given, and
        # workers are given one.
        spectrogram = csr_array(bands) @ power.T
        if self.compression == "cubic":
            spectrogram = np.cbrt(spectrogram)
        elif self.compression == "log1p":
            spectrogram = np.log1p(spectrogram)
        return np.asarray(spectrogram, dtype=np.float32)


def make_mel(
    grid: Grid,
    *,
    n_mels: int,
    window_ms: float,
    fmin: float,
    fmax: float | None,
    compression: str,
) -> Mel:
    """Check the parameters that a user gives.

    Raises
    ------
    ValueError
        If one is out of range, or a band would hold no frequency.
    """
    rate = grid.sample_rate
    window = exact_ms("window_ms", window_ms) * rate / 1000
    if window.denominator != 1 or window < 2:
        raise ValueError(
            f"window_ms={window_ms} is not a whole number of audio samples (at least 2, "
            f"1/{rate} s each)"
        )
    arguments.whole("n_mels", n_mels)
    top = rate / 2 if fmax is None else arguments.number("fmax", fmax, "Hz")
    arguments.number("fmin", fmin, "Hz")
    if not 0 <= fmin < top <= rate / 2:
        raise ValueError(
            f"fmin={fmin}, fmax={fmax}; expected 0 <= fmin < fmax <= {rate / 2:g} Hz, "
            "half the sample rate"
        )
    arguments.choice("compression", compression, COMPRESSIONS)
    # A window shorter than a bin would skip sound between the frames.
    n_fft = max(int(window), grid.hop)
    mel = Mel(rate, grid.hop, n_fft, int(n_mels), float(fmin), float(top), compression)
    if empty := mel.empty_bands():
        raise ValueError(
            f"n_mels={n_mels} bands from {fmin:g} to {top:g} Hz leave {len(empty)} of them empty "
            f"(the first at {mel.centres()[empty[0]]:.0f} Hz): frequencies are "
            f"{rate / n_fft:g} Hz apart. Take fewer bands, a wider range or a longer window_ms."
        )
    return mel


def spectrograms(
    store: Store, grid: Grid, mel: Mel, stimuli: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    """Spectrograms on the bins of the sound. [shape: (stimuli, n_mels, n_sound)].

    `stimuli` are positions, increasing. It is zero where a sound is over. On first use all are
    computed and cached in the store, by parameters; in memory if the store cannot be written to.
    Threads that ask at the same time compute them once.
    """
    key = hashlib.sha256(json.dumps(asdict(mel), sort_keys=True).encode()).hexdigest()[:16]
    path = f"spectrogram-{key}"
    in_process = f"{os.getpid()} {store.url} {store.identity} {path}"
    if (cached := _cached(store, path, in_process, stimuli)) is not None:
        return cached
    # setdefault is atomic; a forked process has another key, whoever held the lock.
    with _COMPUTING.setdefault(in_process, Lock()):
        if (cached := _cached(store, path, in_process, stimuli)) is not None:
            return cached
        out = _compute(store, grid, mel)
        try:
            store.add(path, out, dims=("stimulus", "freq", "time"), attrs=asdict(mel))
            if store.read_added(path, slice(0, 1)) is None:
                raise OSError(f"{store.url}: {path} was written and is not there")
        except (OSError, NotImplementedError, StoreError) as error:
            # Read-only, http, a full disk; or a damaged one is there, which we do not remove.
            logger.info("spectrogram cached in memory: %s", error)
            _keep(in_process, out)
    _COMPUTING.pop(in_process, None)
    return out.take(stimuli, axis=0)


def _cached(
    store: Store, path: str, in_process: str, stimuli: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32] | None:
    """Those that were computed before, or None, for whatever reason they cannot be had."""
    if (kept := _MEMORY.get(in_process)) is not None:
        return kept.take(stimuli, axis=0)  # a copy, which its receiver may change
    first = int(stimuli[0])
    try:
        found = store.read_added(path, slice(first, int(stimuli[-1]) + 1))
    except OSError as error:  # some storage answers so for what is not there
        logger.info("computed, since a cached spectrogram cannot be read: %s", error)
        return None
    except StoreError as error:
        logger.warning("computed again: %s", error)
        return None
    return None if found is None else take(found, stimuli - first, axis=0)


def _compute(store: Store, grid: Grid, mel: Mel) -> npt.NDArray[np.float32]:
    """Spectrograms of all stimuli."""
    out = np.zeros((grid.n_sound.size, mel.n_mels, int(grid.n_sound.max())), np.float32)
    n_samples = store.labels.n_samples
    for row, n, size, end in zip(out, grid.n_sound, n_samples, n_samples.cumsum(), strict=True):
        row[:, :n] = mel(store.read("waveform", slice(end - size, end)))
    return out


def _keep(in_process: str, spectrogram: npt.NDArray[np.float32]) -> None:
    """Keep one in memory, and as many of the last ones beside it as have room."""
    _MEMORY[in_process] = spectrogram
    # Without a lock, which a forked process might find held for ever.
    for key, _ in list(_MEMORY.items()):
        if sum(kept.nbytes for kept in list(_MEMORY.values())) <= _MEMORY_LIMIT:
            break
        _MEMORY.pop(key, None)


def take(
    array: npt.NDArray[np.float32], positions: npt.NDArray[np.intp], *, axis: int
) -> npt.NDArray[np.float32]:
    """Some of an axis, in increasing order; all of it is not copied."""
    if positions.size == array.shape[axis]:
        return array
    return array.take(positions, axis)
