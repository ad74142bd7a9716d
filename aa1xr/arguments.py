"""What an argument may be: each kind is checked here, so that all functions refuse alike."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Iterable, Mapping
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from aa1xr.printable import is_name_on_windows, printable, without_secrets

#: Nothing of AA1 has as many parts; a longer list, or one without an end, is a mistake.
_LONGEST_LIST = 100_000

#: Generators take any whole number, but files and messages do not.
LARGEST_SEED = 2**63 - 1

#: As of Linux; longer ones are refused by the system, in its own words.
_LONGEST_PATH = 4096

_WINDOWS = os.name == "nt"

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80

_SUCH_AS: dict[type, str] = {
    xr.Dataset: "a Dataset, such as aa1xr.open gives",
    xr.DataArray: "a DataArray, such as ds.psth or ds.psth.copy(data=values)",
}


def shown(value: Any) -> str:
    """A value for a message: its repr, cut and escaped; its type, if it has none."""
    try:
        text = without_secrets(value[:_LONGEST_PATH]) if isinstance(value, str) else value
        return printable(_BRIEF.repr(text))
    except Exception:  # noqa: BLE001 - a whole number of 5000 digits, or an object of anybody
        return f"<{type(value).__name__}>"


def expect(name: str, value: Any, kind: type, such_as: str = "") -> None:
    """Check that an argument is of a kind, or raise TypeError; `such_as` describes other kinds."""
    if not isinstance(value, kind):
        function = hasattr(value, "__name__") and callable(value)
        got = (
            f"the function {printable(value.__name__)}, not called"
            if function
            else type(value).__name__
        )
        raise TypeError(f"{name} is {got}; expected {such_as or _SUCH_AS[kind]}")


def is_integer(value: Any) -> bool:
    """Whether something is a whole number; NumPy counts durations among them."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)


def check_integer(
    name: str, value: Any, least: int | None = 1, most: int | None = None, why: str = ""
) -> int:
    """A whole number from `least` to `most`, or ValueError that says why there is a most."""
    if not is_integer(value) or (least is not None and value < least):
        limit = "" if least is None else f", at least {least}"
        raise ValueError(f"{name}={shown(value)}; expected a whole number{limit}")
    if most is not None and value > most:
        reason = f": {why}" if why else ""
        raise ValueError(f"{name} must be at most {most}{reason}; got {shown(value)}")
    return int(value)


def number(name: str, value: Any, unit: str = "ms") -> Any:
    """A finite number, or ValueError; `unit` is empty where there is none."""
    odd = isinstance(value, bool | np.timedelta64) or not isinstance(value, Real)
    try:
        odd = odd or not math.isfinite(value)
    except OverflowError:  # a whole number, or a fraction, beyond all floats
        odd = True
    if odd:
        of = f" of {unit}" if unit else ""
        raise ValueError(f"{name} must be a finite number{of}; got {shown(value)}")
    # A fraction of Python cannot be formatted, nor saved as an attribute.
    return value if isinstance(value, int | float | np.number) else float(value)


def flag(name: str, value: Any) -> bool:
    """True or False, or TypeError."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {shown(value)}")
    return bool(value)


def choice(name: str, value: Any, options: Iterable[str]) -> None:
    """Check that a string is one of those there are, or raise ValueError."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name}={shown(value)}; expected one of {', '.join(map(repr, options))}")


def listed(name: str, value: Any, most: int = _LONGEST_LIST) -> list[Any]:
    """What is in a list, or TypeError; a single string would pass for a list of letters.

    ValueError if it has more than `most` parts, as `range(10**9)` and endless iterators have.
    """
    scalar = getattr(value, "ndim", 1) == 0  # NumPy's arrays of no dimension cannot be iterated
    if (
        isinstance(value, str | bytes | xr.Dataset | type)
        or scalar
        or not isinstance(value, Iterable)
    ):
        what = shown(value) if isinstance(value, str | int | float) else "..."
        raise TypeError(f"{name} is one {type(value).__name__}; expected a list: [{what}]")
    parts = list(islice(value, most + 1))
    if len(parts) > most:
        raise ValueError(f"{name} must be a list of at most {most}; got more")
    return parts


def names(name: str, value: Any) -> list[str]:
    """A list of strings, or TypeError."""
    # Of NumPy or xarray the strings are arrays of one element.
    found = [each.item() if getattr(each, "ndim", 1) == 0 else each for each in listed(name, value)]
    for each in found:
        if not isinstance(each, str):
            raise TypeError(f"{name} has {shown(each)} in it; expected a list of names")
    return found


def check_file_name(name: str, value: str) -> str:
    """A label that becomes the name of a file in a folder, or ValueError if it leads elsewhere."""
    leads_elsewhere = value in {"", ".", ".."} or any(c in value for c in "/\\\0")
    if leads_elsewhere or (_WINDOWS and not is_name_on_windows(value)):
        raise ValueError(
            f"{name} must be a name that a file can have, since a file is named by it; got "
            f"{value!r}. Relabel it with ds.assign_coords"
        )
    return value


def expand_user(name: str, value: str | os.PathLike[str]) -> Path:
    """An absolute path, with ~ as the home directory, or ValueError where there is none.

    A relative path would be of another folder once the working directory has changed.
    """
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # a container without $HOME and without an entry in passwd
        raise ValueError(
            f"{name}={shown(str(value))} begins with ~, but there is no such home directory "
            f"({error}); write the whole path, or set $HOME"
        ) from error


def path(name: str, value: Any) -> str:
    """A path or URL as a string, or TypeError."""
    expect(name, value, str | os.PathLike, "a path or URL")  # type: ignore[arg-type]
    found = os.fspath(value)
    if len(found) > _LONGEST_PATH:
        raise ValueError(
            f"{name} must be a path or URL of at most {_LONGEST_PATH} characters; got "
            f"{len(found)} of them: {shown(found)}"
        )
    return str(found)


def options(name: str, value: Any) -> None:
    """Check that options of a storage are a mapping, or None; without showing what they hold."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(
            f"{name} is {type(value).__name__}; expected a dict of what fsspec needs, such as "
            "{'endpoint_url': 'https://...'}, or None"
        )
