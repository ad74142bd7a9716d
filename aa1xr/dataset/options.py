"""The options of `aa1xr.open` that define bins and spectrogram; explained there."""

from __future__ import annotations

from typing import NamedTuple


class BinOptions(NamedTuple):
    """Which bins there are."""

    dt_ms: float = 5
    before_ms: float = 0
    after_ms: float = 0


class SpectrogramOptions(NamedTuple):
    """What the spectrogram of a bin is."""

    n_mels: int = 32
    window_ms: float = 10.0
    fmin: float = 0
    fmax: float | None = None
    compression: str = "cubic"
    frames: str = "centred"
