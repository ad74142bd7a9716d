"""Delays from sound to response: what the lags of a fit can mean, and what they show of a click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from aa1xr import arguments
from aa1xr.dataset.spectrogram_kinds import gammatone_decay
from aa1xr.typing import Bools, Floats

#: A band has sound if it varies by at least this fraction of the band that varies most. In AA1 the
#: bands above 9 kHz vary by 0.1 %: they have the rounding of samples to 16 bits.
_LEAST = 0.01
#: Times in a bin at which a response to a click may be.
_PER_BIN = 20


def delays(lags: Any, attrs: Mapping[Any, Any]) -> tuple[Any, Any, Any] | None:
    """The delays from sound to response that a lag can mean.

    A lag of j bins weighs frame k - j for the response in bin k. The response is at a time in
    [k dt, (k + 1) dt). The frame covers the sound in [(k - j) dt + start, (k - j) dt + stop), where
    start and stop are `frame_start_ms` and `frame_stop_ms`. So the delay is between j dt - stop
    and (j + 1) dt - start. It is not negative, and the middle is (j + 1/2) dt - (start + stop) / 2.

    Parameters
    ----------
    lags
        In s; they need not be whole bins.
    attrs
        Those of the coordinate `lag` of a fit.

    Returns
    -------
    shortest, middle, longest
        In s; or None if the attributes do not say what a frame covers.
    """
    try:
        dt, start, stop = (
            _seconds(attrs, name) for name in ("dt_ms", "frame_start_ms", "frame_stop_ms")
        )
    except KeyError:
        return None
    return (
        np.maximum(lags - stop, 0),
        lags + (dt - start - stop) / 2,
        lags + dt - start,
    )


def _seconds(attrs: Mapping[Any, Any], name: str) -> float:
    return float(arguments.number(f"the attribute {name}", attrs[name])) / 1000


def click_response(offsets: Floats, attrs: Mapping[Any, Any]) -> Floats:
    """What a frame shows of a click, by the time of the click from the middle of the frame.

    The window is Hann's, so the power is cos(pi x / window)**4. A wider bin has several frames, at
    most half a window apart, and their mean power; then the power is compressed, by its cube
    root if it is compressed at all. A Gaussian window has frames at most 1 ms and one standard
    deviation apart, which is a sixth of it. A gammatone spectrogram shows a click that leaves the
    filters in one bin: for the filters see `gammatone_clicks`.

    Parameters
    ----------
    offsets
        In s.
    attrs
        Those of the coordinate `lag` of a fit, which say what of the sound a frame covers.
    """
    covered = _seconds(attrs, "frame_stop_ms") - _seconds(attrs, "frame_start_ms")
    kind = attrs.get("kind", "mel")
    window = min(_seconds(attrs, "window_ms"), covered) if "window_ms" in attrs else covered
    step = min(0.001, window / 6) if kind == "gaussian" else window / 2
    n_frames = 1 + int(np.ceil((covered - window) / step - 1e-9))
    middles = np.linspace(-1, 1, n_frames) * (covered - window) / 2 if n_frames > 1 else [0.0]
    power = np.zeros_like(offsets)
    for middle in middles:
        x = (offsets - middle) / window
        shape = np.exp(-((6 * x) ** 2)) if kind == "gaussian" else np.cos(np.pi * x) ** 4
        power += np.where(np.abs(x) < 0.5, shape, 0)
    power /= n_frames
    return power if attrs.get("compression") == "none" else np.cbrt(power)


def filter_delays(freq: Floats, attrs: Mapping[Any, Any]) -> Floats:
    """The delays of the filters of a gammatone spectrogram; 0 for all other kinds.

    The envelope of a click, t^3 exp(-2 pi b t), has its peak at 3 / (2 pi b). 90 % of its power
    lie between the first and the last delay.

    Parameters
    ----------
    freq
        [shape: (freq,)] in Hz.
    attrs
        Those of the coordinate `lag` of a fit.

    Returns
    -------
    array
        First, peak and last delay [shape: (3, freq)], in s.
    """
    if attrs.get("kind") != "gammatone":
        return np.zeros((3, freq.size))
    from scipy.special import gammaincinv

    # Power is t^6 exp(-4 pi b t).
    first, last = (gammaincinv(7, part) for part in (0.05, 0.95))
    times = np.array([first, 6.0, last])
    return np.asarray(times[:, np.newaxis] / (4 * np.pi * gammatone_decay(freq)))


def gammatone_clicks(
    freq: Floats, attrs: Mapping[Any, Any], *, n_lags: int, per_lag: int
) -> Floats:
    """What each lag of a gammatone spectrogram shows of a click, averaged over a bin.

    Delay i is i / per_lag bins after the peak of the envelope of the click, for the lag 0.

    Returns
    -------
    array
        [shape: (freq, (n_lags - 1) * per_lag + 1, n_lags)].
    """
    from scipy.special import gammainc

    decay = 4 * np.pi * gammatone_decay(freq)[:, np.newaxis]
    width = _seconds(attrs, "frame_stop_ms") - _seconds(attrs, "frame_start_ms")
    longest = (n_lags - 1) * per_lag
    # The middles of the parts of a bin, around each delay.
    parts = (np.arange(-longest, longest + per_lag) + 0.5) / per_lag - 0.5
    times = parts * _seconds(attrs, "dt_ms") + 6 / decay

    def passed(until: Floats) -> Floats:
        """The part of the power of a click, t^6 exp(-decay t), that has passed."""
        return np.asarray(gammainc(7, decay * np.maximum(until, 0)))

    power = passed(times + width / 2) - passed(times - width / 2)
    shown = power if attrs.get("compression") == "none" else np.cbrt(power)
    sums = np.pad(shown, ((0, 0), (1, 0))).cumsum(1)
    mean = (sums[:, per_lag:] - sums[:, :-per_lag]) / per_lag
    delay, lag = np.arange(longest + 1), np.arange(n_lags)
    return np.asarray(mean[:, longest + delay[:, np.newaxis] - per_lag * lag])


def clicks_seen(
    freq: Floats, middles: Floats, attrs: Mapping[Any, Any], *, per_lag: int = 1
) -> Floats:
    """What each lag shows of a click, averaged over a bin.

    Delays go from the first to the last of the `middles` (see `delays`), in steps of a `per_lag`-th
    of a bin. In bands with filters of their own, they are from the peak of the click in the band.

    Returns
    -------
    array
        [shape: (freq, delay, lag)], or (1, delay, lag) for the same in all bands.
    """
    if attrs.get("kind") == "gammatone":
        return gammatone_clicks(freq, attrs, n_lags=middles.size, per_lag=per_lag)
    delay = np.linspace(middles[0], middles[-1], (middles.size - 1) * per_lag + 1)
    # A response is somewhere in its bin: averaged over a bin, its peak is in the middle.
    within = (np.arange(_PER_BIN) + 0.5) / _PER_BIN - 0.5
    offsets = np.add.outer(np.subtract.outer(delay, middles), within * (middles[1] - middles[0]))
    return np.asarray(click_response(offsets, attrs).mean(2))[np.newaxis]


def click_responses(fields: Floats, seen: Floats) -> Floats:
    """Responses to a click in each band. [shape: (..., freq, lag) -> (..., freq, delay)]."""
    return np.asarray((fields[..., np.newaxis, :] @ seen.swapaxes(1, 2))[..., 0, :])


def bands_with_sound(deviation: Floats) -> Bools:
    """The bands that contained sound during training. [shape: (freq,)]."""
    heard: Bools = ~(deviation < _LEAST * deviation.max())
    return heard
