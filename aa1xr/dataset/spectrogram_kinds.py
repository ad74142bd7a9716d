"""The kinds of spectrogram beside the mel spectrogram: Gaussian, gammatone, and one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aa1xr import arguments
from aa1xr.arguments import shown
from aa1xr.dataset.grid import make_grid
from aa1xr.dataset.options import BinOptions, SpectrogramOptions
from aa1xr.dataset.spectrogram import (
    COMPRESSIONS,
    FLOOR_DB,
    FRAMES,
    Frames,
    Transform,
    cache_key,
    compress,
    describe,
    make_mel,
    silence,
)
from aa1xr.typing import Floats

#: The options of each kind, with their defaults; None stands for a value that depends on the sound.
OPTIONS: dict[str, dict[str, Any]] = {
    "mel": SpectrogramOptions()._asdict(),
    "gaussian": {
        "bandwidth": 120.0,
        "fmin": 250.0,
        "fmax": 8000.0,
        "compression": "db",
        "floor_db": FLOOR_DB,
        "frames": "centred",
    },
    "gammatone": {
        "n_bands": 32,
        "fmin": 250.0,
        "fmax": 8000.0,
        "compression": "cubic",
        "floor_db": FLOOR_DB,
    },
    "function": {"freq": None, "silence": None, "frame_ms": None},
}

#: Standard deviations in a Gaussian window, as in soundsig.
_N_STD = 6
#: Narrower windows or bands would take more memory than a laptop has.
_LEAST_BANDWIDTH, _MOST_BANDS = 6.0, 512
#: A float32 has more than this range.
_LOWEST_DB = -200
#: Raised with each change of a definition below.
_DEFINITION = 1
#: Waves in a fingerprint, along bins and along bands.
_N_WAVES = 8


@dataclass(frozen=True)
class Gaussian(Frames):
    """Linear frequencies under a Gaussian window, as the laboratory that recorded AA1 has them.

    A frame is the power of the Fourier transform under a Gaussian window of 6 standard deviations,
    of which one is 1 / (2 pi bandwidth); a sine of amplitude 1 has power 1. Its length is rounded
    down to samples, then up to an odd number. The frequencies are those between `fmin` and `fmax`
    of a transform of the next length that factors into 2, 3 and 5. A bin of 1 ms has one frame.
    """

    sample_rate: int
    hop: int
    bandwidth: float
    fmin: float
    fmax: float
    compression: str
    floor_db: float
    frames: str

    part_ms: ClassVar[int] = 1
    per_window: ClassVar[int] = _N_STD

    @property
    def key(self) -> str:
        """Names this spectrogram in a cache."""
        return cache_key(asdict(self) | {"kind": "gaussian", "definition": _DEFINITION})

    @property
    def n_fft(self) -> int:  # type: ignore[override]
        """Samples in the window."""
        return int(self.sample_rate * _N_STD / (2 * np.pi * self.bandwidth)) | 1

    @property
    def n_transform(self) -> int:
        """The length of the Fourier transform of a frame."""
        from scipy.fft import next_fast_len

        return int(next_fast_len(self.n_fft, real=True))

    @property
    def n_bands(self) -> int:  # type: ignore[override]
        """The number of bands."""
        return int(self._inside().sum())

    def window(self) -> npt.NDArray[np.float32]:
        """Twice the window, which has a sum of 1. [shape: (n_fft,)]."""
        t = np.arange(self.n_fft) - self.n_fft // 2
        window = np.exp(-((t * _N_STD / self.n_fft) ** 2) / 2)
        return np.asarray(2 * window / window.sum(), np.float32)

    def bands(self) -> npt.NDArray[np.float32]:
        """One frequency for each band. [shape: (n_bands, n_frequencies)]."""
        return np.eye(self._inside().size, dtype=np.float32)[self._inside()]

    def centres(self) -> npt.NDArray[np.float64]:
        """Frequencies in Hz. [shape: (n_bands,)]."""
        frequency = np.fft.rfftfreq(self.n_transform, 1 / self.sample_rate)
        return np.asarray(frequency[self._inside()], np.float64)

    def _inside(self) -> npt.NDArray[np.bool_]:
        frequency = np.fft.rfftfreq(self.n_transform, 1 / self.sample_rate)
        return np.asarray((frequency >= self.fmin) & (frequency <= self.fmax))

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the variable."""
        return {
            "kind": "gaussian",
            **describe("Gaussian spectrogram", self.compression, self.floor_db),
            "dt_ms": self.ms(self.hop),
            "bandwidth": self.bandwidth,
            "window_ms": self.ms(self.n_fft),
            "fmin": self.fmin,
            "fmax": self.fmax,
            "compression": self.compression,
            "floor_db": self.floor_db,
            **self.frame_attrs(),
        }


def erb(frequency: Floats) -> Floats:
    """Equivalent rectangular bandwidth of a human auditory filter in Hz.

    Glasberg & Moore (1990), Hearing Research 47, 103-138, equation 3.
    """
    return np.asarray(24.7 * (4.37 * frequency / 1000 + 1))


def gammatone_decay(frequency: Floats) -> Floats:
    """The rate b at which the envelope t^3 exp(-2 pi b t) of a gammatone decays, in Hz.

    1.019 ERB, of order 4: Patterson et al. (1992), Auditory Physiology and Perception, 429-446.
    """
    return 1.019 * erb(frequency)


@dataclass(frozen=True)
class Gammatone:
    """Mean power of the envelope in each bin, after gammatone filters.

    The filters have order 4, bandwidths of 1.019 ERB, and centres that are equally far apart on the
    ERB-rate scale, E = 21.4 log10(1 + 0.00437 f) (Glasberg & Moore 1990, equation 4). A sine of
    amplitude 1 at the centre has power 1. Each filter is a cascade of four complex poles (Hohmann
    2002, Acta Acustica 88, 433-442): its output has an envelope, where the power of a real filter
    would vary at twice the frequency, which bins of 1 ms show.
    """

    sample_rate: int
    hop: int
    n_bands: int
    fmin: float
    fmax: float
    compression: str
    floor_db: float

    @property
    def key(self) -> str:
        """Names this spectrogram in a cache."""
        return cache_key(asdict(self) | {"kind": "gammatone", "definition": _DEFINITION})

    @property
    def silence(self) -> float:
        """The value where there is no sound."""
        return silence(self.compression, self.floor_db)

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the variable.

        `frame_start_ms` and `frame_stop_ms` are those of the output of the filters, which are the
        edges of the bin.
        """
        dt_ms = 1000 * self.hop / self.sample_rate
        return {
            "kind": "gammatone",
            **describe("gammatone spectrogram", self.compression, self.floor_db),
            "comment": "mean power of the envelopes after the filters in a bin; silence where no "
            "stimulus plays",
            "dt_ms": dt_ms,
            "n_bands": self.n_bands,
            "fmin": self.fmin,
            "fmax": self.fmax,
            "compression": self.compression,
            "floor_db": self.floor_db,
            "frames": "causal",
            "frame_start_ms": 0.0,
            "frame_stop_ms": dt_ms,
            "silence": self.silence,
        }

    def centres(self) -> npt.NDArray[np.float64]:
        """Centre frequencies in Hz. [shape: (n_bands,)]."""
        low, high = 21.4 * np.log10(1 + 0.00437 * np.array([self.fmin, self.fmax]))
        centres = (10 ** (np.linspace(low, high, self.n_bands) / 21.4) - 1) / 0.00437
        return np.asarray(centres, np.float64)

    def __call__(self, sound: Floats) -> npt.NDArray[np.float32]:
        """The spectrogram of a waveform. [shape: (n_bands, ceil(n_samples / hop))]."""
        from scipy.signal import lfilter

        n_bins = -(-sound.size // self.hop)
        padded = np.zeros(n_bins * self.hop)
        padded[: sound.size] = sound
        centres = self.centres()
        decays = np.exp(-2 * np.pi * gammatone_decay(centres) / self.sample_rate)
        poles = decays * np.exp(2j * np.pi * centres / self.sample_rate)
        power = np.empty((self.n_bands, n_bins))
        for band, pole, decay in zip(power, poles, decays, strict=True):
            # Half of a real sine is at the negative frequency, which the filter stops.
            filtered = lfilter([2 * (1 - decay) ** 4], (-pole) ** np.arange(5) * _BINOMIAL, padded)
            each = filtered.real**2 + filtered.imag**2
            if self.compression == "db":
                np.maximum(each, 10 ** (self.floor_db / 10), out=each)
            band[:] = each.reshape(n_bins, self.hop).mean(1)
        return np.asarray(compress(power, self.compression, self.floor_db), np.float32)


#: Of (1 - pole / z)^4.
_BINOMIAL = np.array([1, 4, 6, 4, 1])


@dataclass(frozen=True, eq=False)
class Function:
    """The spectrogram that a function of the user's makes."""

    function: Callable[[Floats, int], Any]
    sample_rate: int
    hop: int
    freq: npt.NDArray[np.float64]
    silence: float
    frame_ms: tuple[float, float] | None
    fingerprint: str

    @property
    def n_bands(self) -> int:
        """The number of bands."""
        return self.freq.size

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the variable."""
        name = function_name(self.function)
        attrs = {
            "kind": "function",
            "units": "1",
            "long_name": f"spectrogram by {name}",
            "comment": "silence where no stimulus plays",
            "dt_ms": 1000 * self.hop / self.sample_rate,
            "function": name,
            "fingerprint": self.fingerprint,
            "silence": self.silence,
        }
        if self.frame_ms is not None:
            attrs["frame_start_ms"], attrs["frame_stop_ms"] = self.frame_ms
        return attrs

    def centres(self) -> npt.NDArray[np.float64]:
        """The frequencies that the user gives, in Hz. [shape: (n_bands,)]."""
        return self.freq

    def __call__(self, sound: Floats) -> npt.NDArray[np.float32]:
        """The spectrogram of a waveform. [shape: (n_bands, ceil(n_samples / hop))]."""
        return _call(self.function, sound, self.sample_rate, self.hop, self.n_bands)


def function_name(function: Any) -> str:
    """What a function is called."""
    inner = function.func if isinstance(function, functools.partial) else function
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def _call(
    function: Callable[[Floats, int], Any], sound: Floats, rate: int, hop: int, n_bands: int | None
) -> npt.NDArray[np.float32]:
    """What a function gives for a waveform, if it is a spectrogram.

    Raises
    ------
    ValueError
        If it has another shape, or values that are not finite real numbers.
    """
    n_bins = -(-sound.size // hop)
    bands = "freq" if n_bands is None else str(n_bands)
    expected = (
        f"{function_name(function)} must return an array of shape ({bands}, {n_bins}) for "
        f"{sound.size} samples at {rate} Hz, one column for each bin of {hop} samples that has "
        "begun"
    )
    # A copy, which it may change.
    found = np.asarray(function(np.array(sound, np.float32), rate))
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{expected}; got values of type {found.dtype}")
    if found.ndim != 2 or found.shape[1] != n_bins or not len(found):
        raise ValueError(f"{expected}; got shape {found.shape}")
    if n_bands is not None and len(found) != n_bands:
        raise ValueError(f"{expected}, the bands that it has for other sounds; got {found.shape}")
    values = found.astype(np.float32)
    if (wrong := ~np.isfinite(values)).any():
        band, column = (int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(
            f"{expected}, with finite values; got {values[band, column]} in band {band}, bin "
            f"{column} (and {int(wrong.sum()) - 1} more such values). Silence has no logarithm, "
            "and cannot be divided by its maximum"
        )
    return values


def _probe(rate: int, hop: int) -> npt.NDArray[np.float32]:
    """A sound that tells functions apart: a sweep through all frequencies, silence and a click."""
    n = max(16 * hop, rate // 4)
    t = np.arange(n) / rate
    sweep = np.sin(np.pi * rate / 2 * t**2 / t[-1]) * (0.1 + 0.8 * t / t[-1])
    sound = np.concatenate([sweep, np.zeros(n)])
    sound[n + n // 2] = 0.5
    return sound.astype(np.float32)


def make_function(
    function: Callable[[Floats, int], Any], rate: int, hop: int, options: dict[str, Any]
) -> Function:
    """Check what a function gives for a probe, and what a user says of it."""
    probe = _probe(rate, hop)
    found = _call(function, probe, rate, hop, None)
    if not np.array_equal(_call(function, probe, rate, hop, len(found)), found):
        raise ValueError(
            f"{function_name(function)} must return the same values for the same sound; got others "
            "at the second call. It must keep nothing between calls, and draw nothing at random"
        )
    quiet, freq, frame_ms = options["silence"], options["freq"], options["frame_ms"]
    if freq is None:
        raise ValueError(
            f"freq must be the frequencies of the {len(found)} bands that "
            f"{function_name(function)} returns, in Hz; got None"
        )
    labels = np.asarray(freq)
    if (
        labels.dtype.kind not in "fiu"
        or labels.shape != found.shape[:1]
        or not np.isfinite(labels).all()
        or (labels < 0).any()
        or (np.diff(labels) <= 0).any()
    ):
        raise ValueError(
            f"freq must be {len(found)} ascending frequencies in Hz, one for each band that "
            f"{function_name(function)} returns; got {shown(freq)} of shape {labels.shape}"
        )
    if quiet is None:
        of_zeros = _call(function, np.zeros_like(probe), rate, hop, len(found))
        quiet = float(of_zeros[0, 0])
        if (of_zeros != of_zeros[0, 0]).any():
            raise ValueError(
                f"silence must be the value that stands for silence, since that of "
                f"{function_name(function)} varies from {of_zeros.min():g} to {of_zeros.max():g}; "
                "got None"
            )
    quiet = float(arguments.number("silence", quiet, ""))
    if frame_ms is not None:
        ends = arguments.listed("frame_ms", frame_ms, 2)
        if len(ends) != 2:
            raise ValueError(f"frame_ms must be two numbers, (start, stop); got {shown(frame_ms)}")
        start, stop = (float(arguments.number("frame_ms", end)) for end in ends)
        shortest = 100 * hop / rate  # a tenth of a bin
        if not start + shortest <= stop:
            raise ValueError(
                f"frame_ms must be (start, stop) in ms, and at least {shortest:g} ms long, a tenth "
                f"of a bin; got {shown(frame_ms)}"
            )
        frame_ms = (start, stop)
    return Function(
        function,
        rate,
        hop,
        labels.astype(np.float64),
        quiet,
        frame_ms,
        fingerprint(found),
    )


def fingerprint(values: npt.NDArray[np.float32]) -> str:
    """Some numbers that tell spectrograms of the probe apart, as text.

    The mean and the standard deviation, then correlations with slow waves along bins and along
    bands, so that a shift of either changes them, in units of the standard deviation.
    """
    exact = values.astype(np.float64)
    mean, deviation = exact.mean(), exact.std()
    scaled = (exact - mean) / (deviation or 1)
    numbers = [mean, deviation]
    for flat in (scaled.ravel(), scaled.T.ravel()):
        waves = np.outer(np.arange(1, _N_WAVES + 1), (np.arange(flat.size) + 0.5) / flat.size)
        numbers += (flat * np.cos(np.pi * waves)).mean(1).tolist()
    return " ".join(f"{number:.6g}" for number in [*values.shape, *numbers])


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints are equal but for the rounding of libraries."""
    try:
        first, second = (np.array(each.split(), np.float64) for each in (one, other))
    except ValueError:  # of a file that was changed
        return False
    if first.shape != second.shape or first.size < 4:
        return False
    # Shape, mean and standard deviation; the others are in units of the latter.
    (*shape, mean, deviation), (*other_shape, other_mean, other_deviation) = first[:4], second[:4]
    return (
        shape == other_shape
        and bool(np.isclose(deviation, other_deviation, rtol=1e-4, atol=0))
        and abs(mean - other_mean) <= 1e-4 * max(abs(deviation), abs(mean))
        and np.allclose(first[4:], second[4:], rtol=1e-4, atol=1e-4)
    )


def make_transform(kind: Any, rate: int, hop: int, given: dict[str, Any]) -> Transform:
    """Check the options that a user gives; None is the default.

    Raises
    ------
    ValueError
        If there is no such kind, it does not have such an option, or a value is out of range.
    """
    name = kind if isinstance(kind, str) else "function"
    if not callable(kind):
        arguments.choice("kind", kind, ("mel", "gaussian", "gammatone"))
    known = OPTIONS[name]
    options = dict(known)
    for option, value in given.items():
        if value is None:
            continue
        if option not in known:
            what = f"kind={name!r}" if name != "function" else "a function"
            raise ValueError(
                f"{option} is not an option of {what}, which has {', '.join(known)}; got "
                f"{option}={shown(value)}"
            )
        options[option] = value
    if name == "function":
        return make_function(kind, rate, hop, options)
    if name == "mel":
        dt_ms = 1000 * hop / rate
        grid = make_grid(np.array([hop]), rate, BinOptions(dt_ms))
        return make_mel(grid, SpectrogramOptions(**options))
    if given.get("floor_db") is not None and options["compression"] != "db":
        raise ValueError(
            f"floor_db is for compression='db'; got compression={shown(options['compression'])}"
        )
    floor_db = float(arguments.number("floor_db", options["floor_db"], "dB"))
    if not _LOWEST_DB <= floor_db < 0:
        raise ValueError(f"floor_db must be at least {_LOWEST_DB} and below 0 dB; got {floor_db:g}")
    fmin, fmax = (float(arguments.number(n, options[n], "Hz")) for n in ("fmin", "fmax"))
    if not 0 <= fmin < fmax <= rate / 2:
        raise ValueError(
            f"fmin={fmin:g}, fmax={fmax:g}; expected 0 <= fmin < fmax <= {rate / 2:g} Hz, half "
            "the sample rate"
        )
    arguments.choice("compression", options["compression"], COMPRESSIONS)
    options |= {"floor_db": floor_db, "fmin": fmin, "fmax": fmax}
    return (_make_gammatone if name == "gammatone" else _make_gaussian)(rate, hop, options)


def _make_gammatone(rate: int, hop: int, options: dict[str, Any]) -> Gammatone:
    options["n_bands"] = int(arguments.check_integer("n_bands", options["n_bands"], 2, _MOST_BANDS))
    return Gammatone(rate, hop, **options)


def _make_gaussian(rate: int, hop: int, options: dict[str, Any]) -> Gaussian:
    arguments.choice("frames", options["frames"], FRAMES)
    bandwidth = float(arguments.number("bandwidth", options["bandwidth"], "Hz"))
    if not _LEAST_BANDWIDTH <= bandwidth <= rate / 8:
        raise ValueError(
            f"bandwidth must be between {_LEAST_BANDWIDTH:g} and {rate / 8:g} Hz, an eighth of the "
            f"sample rate; got {bandwidth:g}"
        )
    found = Gaussian(rate, hop, **options | {"bandwidth": bandwidth})
    if not found.n_bands:
        raise ValueError(
            f"fmin={found.fmin:g} to fmax={found.fmax:g} must have a frequency in it; got none, "
            f"since frequencies are {rate / found.n_transform:g} Hz apart with "
            f"bandwidth={bandwidth:g}"
        )
    return found
