"""Mel spectrograms on the grid of the bins, computed once and kept in the store."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr import arguments
from aa1xr.dataset.grid import Grid, exact_ms
from aa1xr.store.read import Store

logger = logging.getLogger("aa1xr")

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
    kept in the store, by parameters; where it cannot be written to, they are computed every time.
    """
    shape = (grid.n_sound.size, mel.n_mels, int(grid.n_sound.max()))
    key = hashlib.sha256(json.dumps(asdict(mel), sort_keys=True).encode()).hexdigest()[:16]
    path = f"spectrogram-{key}"
    first = int(stimuli[0])
    if (kept := store.read_added(path, slice(first, int(stimuli[-1]) + 1))) is not None:
        return take(kept, stimuli - first, axis=0)
    n_samples = store.labels.n_samples
    out = np.zeros(shape, np.float32)
    for row, n, size, end in zip(out, grid.n_sound, n_samples, n_samples.cumsum(), strict=True):
        row[:, :n] = mel(store.read("waveform", slice(end - size, end)))
    try:
        store.add(path, out, dims=("stimulus", "freq", "time"), attrs=asdict(mel))
    except (OSError, NotImplementedError) as error:  # read-only, a full disk, http
        logger.info("%s: spectrogram not kept (%s)", store.url, error)
    return take(out, stimuli, axis=0)


def take(
    array: npt.NDArray[np.float32], positions: npt.NDArray[np.intp], *, axis: int
) -> npt.NDArray[np.float32]:
    """Some of an axis, in increasing order; all of it is not copied."""
    if positions.size == array.shape[axis]:
        return array
    return array.take(positions, axis)
