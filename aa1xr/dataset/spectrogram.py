"""Spectrograms on the grid of the bins, computed once and cached in the store."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from aa1xr import arguments
from aa1xr.dataset.grid import Grid, exact_ms
from aa1xr.dataset.options import SpectrogramOptions
from aa1xr.errors import StoreError
from aa1xr.messages import logger
from aa1xr.store.read import Store
from aa1xr.typing import Floats

#: Bytes of spectrograms that a process keeps of stores that cannot be written to. AA1's are 2 MB at
#: 5 ms.
_MEMORY_LIMIT = 256 * 2**20
#: Those spectrograms, the oldest first.
_MEMORY: dict[str, npt.NDArray[np.float32]] = {}
#: Held while a spectrogram is computed, by the same keys.
_COMPUTING: dict[str, Lock] = {}

FRAMES = ("centred", "causal")

#: The quietest level of `compression="db"`; silence has this level too.
FLOOR_DB = -80.0

#: Raised with each change of the definition below. It is part of the cache key, so that a
#: spectrogram cached by an older aa1xr is computed again.
_DEFINITION = 2
#: A longer window would be a spectrum of half a song.
_LONGEST_WINDOW_MS = 1000
#: Frames that are transformed together, so that memory does not grow with the overlap.
_BLOCK = 4096

_COMPRESSED = {
    "cubic": "cube root of the power",
    "db": "level, dB relative to a full-scale sine, at least {:g} dB",
    "log1p": "log(1 + power)",
    "none": "power",
}
COMPRESSIONS = tuple(_COMPRESSED)


def compress(power: Floats, compression: str, floor_db: float = FLOOR_DB) -> Floats:
    """Power to the values of a spectrogram."""
    if compression == "cubic":
        return np.asarray(np.cbrt(power))
    if compression == "db":
        level = 10 * np.log10(np.maximum(power, 10 ** (floor_db / 10)))
        return np.asarray(np.maximum(level, floor_db))  # which rounding may miss
    if compression == "log1p":
        return np.asarray(np.log1p(power))
    return power


def expand(values: Floats, compression: str) -> Floats:
    """The values of a spectrogram to power: the inverse of `compress`."""
    if compression == "cubic":
        return values**3
    if compression == "db":
        return np.asarray(10 ** (values / 10))
    if compression == "log1p":
        return np.asarray(np.expm1(values))
    return values


def silence(compression: str, floor_db: float = FLOOR_DB) -> float:
    """The value that a spectrogram has where there is no sound."""
    return floor_db if compression == "db" else 0.0


def describe(what: str, compression: str, floor_db: float = FLOOR_DB) -> dict[str, str]:
    """The units and the name of a spectrogram."""
    return {
        "units": "dB" if compression == "db" else "1",
        "long_name": f"{what}, {_COMPRESSED[compression].format(floor_db)}",
    }


def cache_key(definition: dict[str, Any]) -> str:
    """Names a spectrogram in a cache: equal for equal definitions only."""
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]


class Transform(Protocol):
    """From the waveform of one stimulus to its spectrogram. Instances are dataclasses."""

    @property
    def hop(self) -> int:
        """Samples in a bin."""

    @property
    def n_bands(self) -> int:
        """The number of bands."""

    @property
    def silence(self) -> float:
        """The value where there is no sound."""

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the variable: all that defines it, by the names of the arguments."""

    def centres(self) -> npt.NDArray[np.float64]:
        """Centre frequencies of the bands in Hz. [shape: (n_bands,)]."""

    def __call__(self, sound: Floats) -> npt.NDArray[np.float32]:
        """The spectrogram of a waveform. [shape: (n_bands, ceil(n_samples / hop))]."""


class Cached(Transform, Protocol):
    """A transform with a definition, so that its spectrograms can be cached."""

    @property
    def key(self) -> str:
        """Names this spectrogram in a cache."""


class Frames:
    """A spectrogram of windowed frames.

    Bin k, `hop` samples from sample k * hop on, has the mean power of the frames that belong to
    it, and the mean is then compressed. A bin is divided into the fewest equal parts of at most
    `part_ms`, these into the fewest of at most a `per_window`-th of the window, and each part has
    a frame; where parts cannot be equal in samples, their lengths differ by one. So every sample
    is heard, and a bin of n * part_ms has the frames of n bins of part_ms.

    "centred" frames are centred on the left edge of their part; "causal" frames end with the right
    edge of their part. There is silence before the sound, and a part that begins after the last
    sample is silent.
    """

    sample_rate: int
    hop: int
    compression: str
    frames: str
    n_fft: int  #: samples in the window
    n_bands: int
    floor_db: float  #: the lowest level of compression="db"
    part_ms: ClassVar[int]
    per_window: ClassVar[int]

    def window(self) -> npt.NDArray[np.float32]:
        """The window of a frame. [shape: (n_fft,)]."""
        raise NotImplementedError

    def bands(self) -> npt.NDArray[np.float32]:
        """The weight of each frequency in each band. [shape: (n_bands, n_frequencies)]."""
        raise NotImplementedError

    @property
    def n_transform(self) -> int:
        """The length of the Fourier transform of a frame."""
        return self.n_fft

    @property
    def silence(self) -> float:
        """The value where there is no sound."""
        return silence(self.compression, self.floor_db)

    def frame_attrs(self) -> dict[str, Any]:
        """What of the sound a frame covers, from the left edge of the bin, and silence."""
        starts = self._starts()
        return {
            "frames": self.frames,
            "frame_start_ms": self.ms(starts[0]),
            "frame_stop_ms": self.ms(starts[-1] + self.n_fft),
            "silence": self.silence,
        }

    def ms(self, samples: Any) -> float:
        """Samples in ms."""
        return 1000 * int(samples) / self.sample_rate

    def _parts(self) -> npt.NDArray[np.int64]:
        """Edges of the parts of a bin, in samples from its left edge; the last is `hop`."""
        n_parts = -(-self.hop // max(1, self.sample_rate * self.part_ms // 1000))
        n_parts *= -(-self.hop // (n_parts * max(1, self.n_fft // self.per_window)))
        return np.arange(n_parts + 1) * self.hop // n_parts

    def _starts(self) -> npt.NDArray[np.int64]:
        """The first sample of each frame of a bin, from the left edge of the bin."""
        parts = self._parts()
        return parts[:-1] - self.n_fft // 2 if self.frames == "centred" else parts[1:] - self.n_fft

    def __call__(self, sound: Floats) -> npt.NDArray[np.float32]:
        """The spectrogram of a waveform. [shape: (n_bands, ceil(n_samples / hop))]."""
        from scipy.sparse import csr_array

        n_bins = -(-sound.size // self.hop)
        left = np.arange(n_bins)[:, np.newaxis] * self.hop
        playing = (left + self._parts()[:-1]).ravel() < sound.size
        starts = (left + self._starts()).ravel()[playing] + self.n_fft
        padded = np.pad(sound.astype(np.float32), self.n_fft)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)
        window = self.window()
        # Sparse, since a dense product rounds by the number of threads that BLAS is given, and
        # workers are given one.
        bands = csr_array(self.bands())
        power = np.zeros((self.n_bands, playing.size), np.float32)
        for first in range(0, starts.size, _BLOCK):
            block = frames[starts[first : first + _BLOCK]] * window
            spectrum = np.fft.rfft(block, self.n_transform)
            power[:, first : first + len(block)] = bands @ (np.abs(spectrum) ** 2).T
        if self.compression == "db":
            # Relative to the peak of a sine of amplitude 1. The floor holds for each frame, so
            # that the mean over a bin is the same from frames and from narrower bins.
            power /= (window.sum() / 2) ** 2
            np.maximum(power, np.float32(10 ** (self.floor_db / 10)), out=power)
        power = power.reshape(self.n_bands, n_bins, -1).mean(2)
        return np.asarray(compress(power, self.compression, self.floor_db), dtype=np.float32)


@dataclass(frozen=True)
class Mel(Frames):
    """The definition of a mel spectrogram.

    A frame is the power of the Fourier transform of `n_fft` samples under a Hann window, in
    triangular bands that are equally wide in mel (HTK: m = 2595 log10(1 + f / 700); O'Shaughnessy
    1987, Speech Communication). A bin of at most 5 ms and half a window has one frame, which
    deepSTRF has too; deepSTRF, librosa and torchaudio centre it on the left edge of the bin.
    """

    sample_rate: int
    hop: int
    n_fft: int
    n_mels: int
    fmin: float
    fmax: float
    compression: str
    frames: str = "centred"

    part_ms: ClassVar[int] = 5
    per_window: ClassVar[int] = 2

    @property
    def key(self) -> str:
        """Names this spectrogram in a cache: equal for equal definitions only."""
        return cache_key(asdict(self) | {"definition": _DEFINITION})

    @property
    def n_bands(self) -> int:  # type: ignore[override]
        """The number of bands."""
        return self.n_mels

    @property
    def floor_db(self) -> float:  # type: ignore[override]
        """The lowest level of compression="db"."""
        return FLOOR_DB

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the variable: all that defines it, by the names of the arguments.

        A frame of bin k covers the sound from `frame_start_ms` to `frame_stop_ms`, counted from
        the left edge of the bin. `silence` is the value where there is no sound.
        """
        return {
            **describe("mel spectrogram", self.compression),
            "dt_ms": self.ms(self.hop),
            "n_mels": self.n_mels,
            "window_ms": self.ms(self.n_fft),
            "fmin": self.fmin,
            "fmax": self.fmax,
            "compression": self.compression,
            **self.frame_attrs(),
        }

    def centres(self) -> npt.NDArray[np.float64]:
        """Centre frequencies of the bands in Hz. [shape: (n_mels,)]."""
        return self._edges()[1:-1]

    def window(self) -> npt.NDArray[np.float32]:
        """Hann's. [shape: (n_fft,)].

        To the bit what `scipy.signal.get_window("hann", n_fft)` gives; scipy.signal takes half a
        second to import.
        """
        phase = np.linspace(-np.pi, np.pi, self.n_fft + 1)[:-1]
        return np.asarray(0.5 + 0.5 * np.cos(phase), np.float32)

    def bands(self) -> npt.NDArray[np.float32]:
        """The weight of each frequency in each band. [shape: (n_mels, n_fft // 2 + 1)].

        To the bit what `librosa.filters.mel(htk=True, norm=None)` gives; librosa takes seconds to
        import.
        """
        edges = self._edges()
        ramps = np.subtract.outer(edges, np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate))
        widths = np.diff(edges)[:, np.newaxis]
        rising, falling = -ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]
        return np.asarray(np.maximum(0, np.minimum(rising, falling)), dtype=np.float32)

    def empty_bands(self) -> list[int]:
        """The bands in which no frequency of the Fourier transform lies."""
        frequencies = np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)
        edges = self._edges()
        low = np.searchsorted(frequencies, edges[:-2], side="right")
        high = np.searchsorted(frequencies, edges[2:], side="left")
        return np.flatnonzero(low >= high).tolist()

    def _edges(self) -> npt.NDArray[np.float64]:
        low, high = 2595 * np.log10(1 + np.array([self.fmin, self.fmax]) / 700)
        edges = 700 * (10 ** (np.linspace(low, high, self.n_mels + 2) / 2595) - 1)
        return np.asarray(edges, dtype=np.float64)


def make_mel(grid: Grid, options: SpectrogramOptions) -> Mel:
    """Check the parameters that a user gives.

    Raises
    ------
    ValueError
        If one is out of range, or a band would hold no frequency.
    """
    n_mels, window_ms, fmin, fmax, compression, frames = options
    rate = grid.sample_rate
    window = exact_ms("window_ms", window_ms) * rate / 1000
    if window.denominator != 1 or window < 2:
        raise ValueError(
            f"window_ms={window_ms} is not a whole number of audio samples (at least 2, "
            f"1/{rate} s each)"
        )
    if window * 1000 > _LONGEST_WINDOW_MS * rate:
        raise ValueError(f"window_ms must be at most {_LONGEST_WINDOW_MS}; got {window_ms}")
    # A frequency lies in two bands at most.
    most = 2 * (int(window) // 2 + 1)
    why = (
        f"window_ms={window_ms} has {most // 2} frequencies, and the other bands would be empty. "
        "Take fewer bands or a longer window_ms"
    )
    arguments.check_integer("n_mels", n_mels, 1, most, why)
    top = rate / 2 if fmax is None else arguments.number("fmax", fmax, "Hz")
    fmin = arguments.number("fmin", fmin, "Hz")
    if not 0 <= fmin < top <= rate / 2:
        raise ValueError(
            f"fmin={fmin}, fmax={fmax}; expected 0 <= fmin < fmax <= {rate / 2:g} Hz, "
            "half the sample rate"
        )
    arguments.choice("compression", compression, COMPRESSIONS)
    arguments.choice("frames", frames, FRAMES)
    n_fft = int(window)
    mel = Mel(rate, grid.hop, n_fft, int(n_mels), float(fmin), float(top), compression, frames)
    if empty := mel.empty_bands():
        raise ValueError(
            f"n_mels={n_mels} bands from {fmin:g} to {top:g} Hz leave {len(empty)} of them empty "
            f"(the first at {mel.centres()[empty[0]]:.0f} Hz): frequencies are "
            f"{rate / n_fft:g} Hz apart. Take fewer bands, a wider range or a longer window_ms."
        )
    return mel


def spectrograms(
    store: Store, grid: Grid, transform: Cached, stimuli: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    """Spectrograms on the bins of the sound. [shape: (stimuli, n_bands, n_sound)].

    `stimuli` are positions, increasing. After the end of a sound is silence. On first use all are
    computed and cached in the store, by parameters; in memory if the store cannot be written to.
    Threads that ask at the same time compute them once.
    """
    path = f"spectrogram-{transform.key}"
    in_process = f"{os.getpid()} {store.url} {store.identity} {path}"
    if (cached := _cached(store, transform, path, in_process, stimuli)) is not None:
        return cached
    # setdefault is atomic; a forked process has another key, whoever held the lock.
    with _COMPUTING.setdefault(in_process, Lock()):
        if (cached := _cached(store, transform, path, in_process, stimuli)) is not None:
            return cached
        out = _compute(store, grid, transform)
        try:
            store.add(path, out, attrs=_stored(transform))
            if store.read_added(path, slice(0, 1)) is None:
                raise OSError(f"{store.url}: {path} was written and is not there")
        except (OSError, NotImplementedError, StoreError) as error:
            # Read-only, http, a full disk; or a damaged one is there, which we do not remove.
            logger.info("spectrogram cached in memory: %s", error)
            _keep(in_process, out)
    _COMPUTING.pop(in_process, None)
    return out.take(stimuli, axis=0)


def _cached(
    store: Store, transform: Cached, path: str, in_process: str, stimuli: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32] | None:
    """Those that were computed before, or None, for whatever reason they cannot be had."""
    if (kept := _MEMORY.get(in_process)) is not None:
        return kept.take(stimuli, axis=0)  # a copy, which its receiver may change
    first = int(stimuli[0])
    try:
        found = store.read_added(path, slice(first, int(stimuli[-1]) + 1), attrs=_stored(transform))
    except OSError as error:  # some storage answers so for what is not there
        logger.info("computed, since a cached spectrogram cannot be read: %s", error)
        return None
    except StoreError as error:
        logger.warning("computed again: %s", error)
        return None
    return None if found is None else take(found, stimuli - first, axis=0)


def _compute(store: Store, grid: Grid, transform: Cached) -> npt.NDArray[np.float32]:
    """Spectrograms of all stimuli."""
    shape = (grid.n_sound.size, transform.n_bands, int(grid.n_sound.max()))
    out = np.full(shape, transform.silence, np.float32)
    n_samples = store.n_samples
    for row, n, size, end in zip(out, grid.n_sound, n_samples, n_samples.cumsum(), strict=True):
        row[:, :n] = transform(as_floats(store.read("waveform", slice(end - size, end))))
    return out


def as_floats(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Samples as they are recorded as fractions of full scale."""
    return samples.astype(np.float32) / np.float32(2**15)


def _stored(transform: Cached) -> dict[str, Any]:
    """The attributes of a cached spectrogram."""
    definition: dict[str, Any] = asdict(transform)  # type: ignore[call-overload]
    return definition if "n_mels" in definition else definition | {"n_bands": transform.n_bands}


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
