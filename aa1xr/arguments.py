"""What an argument may be: each kind is checked here, so that all functions refuse alike."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

_SUCH_AS: dict[type, str] = {
    xr.Dataset: "a Dataset, such as aa1xr.open gives",
    xr.DataArray: "a DataArray, such as ds.psth or ds.psth.copy(data=values)",
}


def expect(name: str, value: Any, kind: type, such_as: str = "") -> None:
    """Check that an argument is of a kind: a Dataset, a DataArray, or what `such_as` says.

    Raises
    ------
    TypeError
        If it is not.
    """
    if not isinstance(value, kind):
        function = hasattr(value, "__name__") and callable(value)
        got = f"the function {value.__name__}, not called" if function else type(value).__name__
        raise TypeError(f"{name} is {got}; expected {such_as or _SUCH_AS[kind]}")


def whole(name: str, value: Any, least: int | None = 1) -> int:
    """A whole number, or ValueError."""
    fits = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not fits or (least is not None and value < least):
        limit = "" if least is None else f", at least {least}"
        raise ValueError(f"{name}={value!r}; expected a whole number{limit}")
    return int(value)


def number(name: str, value: Any, of: str = "milliseconds") -> Any:
    """A finite number, or ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name}={value!r} is no number of {of}")
    return value


def choice(name: str, value: Any, options: Iterable[str]) -> None:
    """Check that a string is one of those there are, or raise ValueError."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name}={value!r}; expected one of {', '.join(map(repr, options))}")


def listed(name: str, value: Any) -> list[Any]:
    """What is in a list, or TypeError; a single string would pass for a list of letters."""
    if isinstance(value, str | xr.Dataset) or not isinstance(value, Iterable):
        what = repr(value) if isinstance(value, str | int | float) else "..."
        raise TypeError(f"{name} is one {type(value).__name__}; expected a list: [{what}]")
    return list(value)


def names(name: str, value: Any) -> list[str]:
    """A list of strings, or TypeError."""
    # Of NumPy or xarray the strings are arrays of one element.
    found = [each.item() if getattr(each, "ndim", 1) == 0 else each for each in listed(name, value)]
    for each in found:
        if not isinstance(each, str):
            raise TypeError(f"{name} has {each!r} in it; expected a list of names")
    return found


def file_name(name: str, value: str) -> str:
    """A label that becomes the name of a file in a folder, or ValueError if it leads elsewhere."""
    if value in {"", ".", ".."} or any(character in value for character in "/\\\0"):
        raise ValueError(
            f"{name} must be a name that a file can have, since a file is named by it; got "
            f"{value!r}. Relabel it with ds.assign_coords"
        )
    return value


def expand_user(name: str, value: str | os.PathLike[str]) -> Path:
    """A path of this machine, with ~ as the home directory, or ValueError where there is none."""
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # a container without $HOME and without an entry in passwd
        raise ValueError(
            f"{name}={str(value)!r} begins with ~, but there is no such home directory "
            f"({error}); write the whole path, or set $HOME"
        ) from error


def path(name: str, value: Any) -> str:
    """A path or URL as a string, or TypeError."""
    expect(name, value, str | os.PathLike, "a path or URL")  # type: ignore[arg-type]
    return str(os.fspath(value))
