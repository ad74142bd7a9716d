"""What the attributes of a spectrogram say of its sound, so that fits and sounds are compared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.dataset.options import SpectrogramOptions
from aa1xr.dataset.spectrogram_kinds import same_fingerprint

#: What of the sound the frame of a bin covers.
_FRAME = ("dt_ms", "frame_start_ms", "frame_stop_ms")
#: What defines a mel spectrogram: attributes by the names of the arguments of `aa1xr.open`.
PARAMETERS = (*SpectrogramOptions._fields, *_FRAME)
#: What defines those of other kinds, by the names of the arguments of `aa1xr.spectrogram`.
_KINDS = {
    "mel": PARAMETERS,
    "gaussian": (
        "bandwidth", "window_ms", "fmin", "fmax", "compression", "floor_db", "frames", *_FRAME,
    ),
    "gammatone": ("n_bands", "fmin", "fmax", "compression", "floor_db", "frames", *_FRAME),
    "function": ("function", "fingerprint", "dt_ms"),
}  # fmt: skip
#: What was done to it: attributes that `aa1xr.standardize` and `aa1xr.smooth` set, and the sample
#: rate of waveforms that were resampled.
PROCESSING = ("scaled", "smoothed", "sample_rate")
#: All attributes that a fit keeps of the spectrogram.
KEPT = tuple(dict.fromkeys(["kind", *(n for names in _KINDS.values() for n in names), *PROCESSING]))

#: Values are that much below silence by rounding, in single precision.
_ROUNDING = 1e-4


def definition(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """The parameters in the attributes of a spectrogram, a lag, or a prediction.

    Empty if one of them is missing: the spectrogram is then a custom one, of which nothing is
    known but its bands and bins.
    """
    names = _parameters(attrs)
    if not names or not all(name in attrs for name in names):
        return {}
    return {name: attrs[name] for name in KEPT if name in attrs}


def _parameters(attrs: Mapping[Any, Any]) -> tuple[str, ...]:
    """The names of the attributes that define this kind of spectrogram; none if it is unknown."""
    return _KINDS.get(str(attrs.get("kind", "mel")), ())


def check_definition(
    wanted: Mapping[Any, Any], found: Mapping[Any, Any], *, wants: str, has: str
) -> None:
    """Check that two attributes describe the same spectrogram, or both a custom one.

    Parameters
    ----------
    wants, has
        What the attributes are of, for the message: "the fit", "the Dataset".

    Raises
    ------
    ValueError
        If not; the message names each parameter that differs.
    """
    expected, got = definition(wanted), definition(found)
    if bool(expected) != bool(got):
        custom, known = (wants, has) if got else (has, wants)
        raise ValueError(
            f"{wants} and {has} must have the same spectrogram; that of {known} has "
            f"{_listed(expected or got, _parameters(expected or got)[:6])}, and that of {custom} "
            f"does not say its parameters: its attributes lack "
            f"{_missing(found if expected else wanted)}. "
            "Open the sounds again with aa1xr.open, or make both from the same custom spectrogram"
        )
    if (kinds := [each.get("kind", "mel") for each in (expected, got)])[0] != kinds[1]:
        raise ValueError(
            f"{has} must have the spectrogram of {wants}; {wants} has kind={kinds[0]!r}, {has} has "
            f"kind={kinds[1]!r}. Make both with the same aa1xr.spectrogram"
        )
    differ = [
        name for name in KEPT if not _equal(name, expected.get(name, "no"), got.get(name, "no"))
    ]
    # Frames follow from the other parameters, but for those of `aa1xr.resample`.
    if plain := [name for name in differ if not name.startswith("frame_")]:
        differ = plain
    if differ:
        raise ValueError(
            f"{has} must have the spectrogram of {wants}; {wants} has "
            f"{_listed(expected, differ)}, {has} has {_listed(got, differ)}. Open the sounds with "
            "the same options of aa1xr.open, and scale them alike"
        )


def _equal(name: str, one: Any, other: Any) -> bool:
    if name == "fingerprint" and "no" not in (one, other):
        return same_fingerprint(str(one), str(other))
    if isinstance(one, str) or isinstance(other, str):
        return bool(str(one) == str(other))
    return bool(np.isclose(one, other, rtol=1e-9))


def _listed(parameters: Mapping[str, Any], names: Any) -> str:
    values = {name: parameters.get(name, "no") for name in names}
    return ", ".join(
        f"{name}={value!r}" if isinstance(value, str) else f"{name}={value:g}"
        for name, value in values.items()
    )


def _missing(attrs: Mapping[Any, Any]) -> str:
    names = _parameters(attrs) or PARAMETERS
    return ", ".join(repr(name) for name in names if name not in attrs)


def silence(sound: xr.DataArray) -> float | None:
    """The value of the spectrogram where there is no sound, or None where it is not known."""
    value = sound.attrs.get("silence")
    return (
        None
        if value is None or "scaled" in sound.attrs
        else float(arguments.number("the attribute silence", value, ""))
    )


def lowest(sound: xr.DataArray) -> float | None:
    """The value that no other is below, which is silence, or None where that is not known.

    A function of the user's may have values below silence.
    """
    return None if sound.attrs.get("kind") == "function" else silence(sound)


def n_unknown(sound: xr.DataArray, n_lags: int) -> int:
    """The first bins of the axis whose lags reach before it, to sound that is not known.

    None if the axis begins at onset or before: what comes before onset is silence.
    """
    begins_in_silence = schema.bin_numbers(sound)[0] <= 0 and silence(sound) is not None
    return 0 if begins_in_silence else n_lags - 1


def check_finite(
    values: npt.NDArray[Any],
    labels: Mapping[str, npt.NDArray[Any]],
    *,
    name: str = "the spectrogram",
    lowest: float | None = None,
    after: npt.NDArray[np.bool_] | None = None,
    missing: bool = False,
) -> None:
    """Check that all values are finite, and those of a spectrogram what its attributes say.

    Parameters
    ----------
    values
        [shape: one axis for each of `labels`].
    labels
        The coordinate along each axis, for the message.
    lowest
        The value of silence: no power is less.
    after
        The bins after the end of each sound, which must be silent; broadcasts to the values.
    missing
        Whether NaN is allowed.

    Raises
    ------
    ValueError
        If not; the message says what the first such value is, and where.
    """
    wrong = ~np.isfinite(values)
    if missing:
        wrong &= ~np.isnan(values)
    if wrong.any():
        where, value = _first(wrong, labels), values[wrong][0]
        advice = (
            "Silence has no logarithm: aa1xr.open(compression='db') gives levels with a floor. NaN "
            "are bins that are not in the Dataset: select times and stimuli without them"
            if "spectrogram" in name
            else "Infinite rates come from a division by zero, or from an exponential: limit them"
        )
        raise ValueError(
            f"{name} must be finite{' or NaN' if missing else ''}; got {value} {where} (and "
            f"{int(wrong.sum()) - 1} more such values). {advice}"
        )
    if lowest is None:
        return
    wrong, what = values < lowest - _ROUNDING, "not be below"
    if after is not None and not wrong.any():
        wrong, what = (values > lowest + _ROUNDING) & after, "be, after the end of a sound,"
    if wrong.any():
        raise ValueError(
            f"{name} must {what} {lowest:g}, which is silence by its attributes; got "
            f"{values[wrong][0]:g} {_first(wrong, labels)}. The values are not those that the "
            "attributes describe: scale with aa1xr.standardize, which says so, or drop the "
            "attributes of a spectrogram of your own: ds.spectrogram.drop_attrs(deep=False)"
        )


def _first(wrong: npt.NDArray[np.bool_], labels: Mapping[str, npt.NDArray[Any]]) -> str:
    position = np.unravel_index(int(wrong.argmax()), wrong.shape)
    units = {"freq": " Hz", "time": " s"}
    of = [
        f"{dim} {label[k]:g}{units[dim]}" if dim in units else f"{dim} {str(label[k])!r}"
        for k, (dim, label) in zip(position, labels.items(), strict=True)
    ]
    return f"at {', '.join(of)}"


def finite(
    array: xr.DataArray,
    *,
    name: str = "the spectrogram",
    lowest: float | None = None,
    after: xr.DataArray | None = None,
    missing: bool = False,
) -> xr.DataArray:
    """The same array, whose values are checked by `check_finite` when they are computed."""
    labels = {
        str(dim): np.atleast_1d(array[dim].values) if dim in array.coords else np.arange(size)
        for dim, size in array.sizes.items()
    }
    check = partial(check_finite, name=name, lowest=lowest, missing=missing)
    mask = None
    if after is not None:
        # One for all bands: the graph holds it.
        others = [dim for dim in array.dims if dim not in after.dims]
        mask = after.expand_dims(others).transpose(*array.dims).values
    if array.chunks is None:
        check(array.values, labels, after=mask)
        return array
    data: Any = array.data
    checked = data.map_blocks(
        _check_block,
        labels=labels,
        check=check,
        after=mask,
        dtype=data.dtype,
        meta=np.empty((0,) * data.ndim, data.dtype),
    )
    return array.copy(data=checked)


def _check_block(
    values: npt.NDArray[Any],
    *,
    labels: dict[str, npt.NDArray[Any]],
    check: Any,
    after: npt.NDArray[np.bool_] | None,
    block_info: Any = None,
) -> npt.NDArray[Any]:
    where = block_info[0]["array-location"] if block_info else [(0, n) for n in values.shape]
    block = tuple(slice(*bounds) for bounds in where)
    parts = {dim: label[part] for (dim, label), part in zip(labels.items(), block, strict=True)}
    if after is not None:
        pairs = zip(block, after.shape, strict=True)
        after = after[tuple(part if size > 1 else slice(None) for part, size in pairs)]
    check(values, parts, after=after)
    return values


def check_bins(sound: xr.DataArray) -> None:
    """Check that the spectrogram has the bins of its time axis.

    Raises
    ------
    ValueError
        If its attributes say otherwise, as after `coarsen`.
    """
    axis = schema.bin_width_ms(sound)
    ours = schema.positive("the attribute dt_ms", sound.attrs.get("dt_ms", axis))
    if not np.isclose(ours, axis, rtol=1e-9):
        raise ValueError(
            f"the spectrogram has bins of {ours:g} ms by its attributes, and the time axis bins of "
            f"{axis:g} ms: join bins with aa1xr.resample, which averages power and adds counts"
        )


def after_sounds(sound: xr.DataArray) -> xr.DataArray | None:
    """The bins after the end of each sound [shape: (stimulus, time)], or None if that is unknown.

    They are silent in every spectrogram but a smooth one.
    """
    if "duration_s" not in sound.coords or "smoothed" in sound.attrs:
        return None
    after: xr.DataArray = sound["time"].reset_coords(drop=True) >= sound["duration_s"].reset_coords(
        drop=True
    )
    return after.compute()


def check_fit(fit: xr.Dataset) -> None:
    """Check that a fit has one spectrogram for all its neurons.

    Raises
    ------
    ValueError
        If fits were joined in a way that gives each neuron a spectrogram of its own.
    """
    for name in ("offset", "scale", "deviation"):
        if name in fit and fit[name].dims not in (("freq",), ()):
            raise ValueError(
                f"{name!r} of the fit must have the dimension 'freq' alone; got "
                f"{fit[name].dims}, as after xr.concat of fits. Join fits to the same training "
                "sounds with xr.concat(fits, 'neuron', data_vars='minimal'); take others one by one"
            )
