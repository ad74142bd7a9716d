"""Bins: which there are, what time each begins at, and which one a spike falls into.

All in integers. A bin is `hop` audio samples long, so its edges are samples of the sound; spike
times are whole microseconds, and `bin = floor(t * rate / (hop * 10**6))` loses nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr import arguments
from aa1xr.dataset.options import BinOptions

#: AA1 was recorded from 2 s before each onset to 4 s after it.
RECORDED_MS = (-2000, 4000)


@dataclass(frozen=True, eq=False)
class Grid:
    """The time axis shared by all stimuli.

    Bin k of the axis is the half-open interval [(k - n_before) * dt, (k - n_before + 1) * dt)
    from stimulus onset. A stimulus has data in the bins from `first` to `n_bins` of it: those in
    its window, without those that were not recorded from edge to edge.
    """

    sample_rate: int  #: Hz
    hop: int  #: bin width in samples
    n_before: int  #: bins before stimulus onset
    n_time: int  #: bins on the axis
    first: int  #: the first bin that was recorded
    n_bins: npt.NDArray[np.int64]  #: [shape: (n_stimuli,)] where the data of each stimulus end
    n_sound: npt.NDArray[np.int64]  #: [shape: (n_stimuli,)] bins in which it sounds

    @property
    def dt_ms(self) -> float:
        """Bin width in ms."""
        return 1000 * self.hop / self.sample_rate

    def time(self) -> npt.NDArray[np.float64]:
        """Left edges in seconds; integer * integer / integer, so each is the nearest double."""
        edges = (np.arange(self.n_time) - self.n_before) * self.hop / self.sample_rate
        return np.asarray(edges, dtype=np.float64)

    def bounds_of_data(
        self, stimuli: npt.NDArray[np.intp], bins: npt.NDArray[np.intp]
    ) -> tuple[int, npt.NDArray[np.intp]]:
        """Where, in increasing bins, those begin and end that are recorded and in the window.

        The end is that of each stimulus. [shape: (stimuli,)]
        """
        return int(np.searchsorted(bins, self.first)), np.searchsorted(bins, self.n_bins[stimuli])

    def bins(self, microseconds: npt.NDArray[np.int32]) -> npt.NDArray[np.int64 | np.int32]:
        """The bin on the axis of each spike; negative or past the end outside the window."""
        common = math.gcd(self.sample_rate, self.hop * 10**6)
        numerator, denominator = self.sample_rate // common, self.hop * 10**6 // common
        # Bins of whole milliseconds need no product, and so no 64 bits: twice as fast.
        index: npt.NDArray[Any] = microseconds.astype(np.int64 if numerator > 1 else np.int32)
        index *= numerator
        index //= denominator
        index += self.n_before
        return index


def make_grid(n_samples: npt.NDArray[np.int64], sample_rate: int, options: BinOptions) -> Grid:
    """The grid of bins over stimuli of `n_samples`, or ValueError if an option is out of range."""
    dt_ms, before_ms, after_ms = options
    dt = exact_ms("dt_ms", dt_ms) * sample_rate / 1000
    if dt.denominator != 1 or dt <= 0:
        lower, upper = max(1, math.floor(dt)), max(1, math.floor(dt) + 1)
        near = " or ".join(f"{1000 * n / sample_rate:g}" for n in sorted({lower, upper}))
        raise ValueError(
            f"dt_ms={dt_ms} is not a whole number of audio samples (1/{sample_rate} s each); "
            f"the nearest bin widths are {near} ms"
        )
    hop = int(dt)
    start, stop = (Fraction(ms * sample_rate, 1000) for ms in RECORDED_MS)
    if hop > stop:
        raise ValueError(
            f"dt_ms must be at most {RECORDED_MS[1]}: AA1 was recorded to {RECORDED_MS[1]} ms "
            f"after each onset; got {dt_ms}"
        )
    before, after = (
        exact_ms(name, value) * sample_rate / 1000
        for name, value in (("before_ms", before_ms), ("after_ms", after_ms))
    )
    for name, samples, most_ms in (
        ("before_ms", before, -RECORDED_MS[0]),
        ("after_ms", after, RECORDED_MS[1]),
    ):
        if samples < 0:
            raise ValueError(f"{name} must not be negative; it widens the window")
        if samples * 1000 > most_ms * sample_rate:
            raise ValueError(
                f"{name} must be at most {most_ms}; got {float(samples * 1000 / sample_rate):g}. "
                "AA1 was recorded from 2 s before each onset to 4 s after it"
            )
    # A window begins and ends with a whole bin, so that it holds all that was asked for.
    n_before = math.ceil(before / hop)
    n_sound = -(-n_samples // hop)
    ends = n_before + np.array([math.ceil((int(n) + after) / hop) for n in n_samples], np.int64)
    # A count over a bin of which a part was not recorded is too low, and zero is not silence.
    recorded = n_before + math.floor(stop / hop)
    return Grid(
        sample_rate,
        hop,
        n_before,
        n_time=int(ends.max()),
        first=max(0, n_before + math.ceil(start / hop)),
        n_bins=np.minimum(ends, recorded),
        n_sound=n_sound,
    )


def exact_ms(name: str, value: Any) -> Fraction:
    """A number of milliseconds as it is written: 0.1 is one tenth."""
    arguments.number(name, value)
    return Fraction(str(value))
