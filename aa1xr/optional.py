"""Optional libraries, imported by the function that needs them."""

from __future__ import annotations

import importlib
import re
from importlib import metadata
from typing import Any


def import_optional(module: str, *, extra: str) -> Any:
    """Import `module`, or say how to install it.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name not in (top, module):
            raise  # it is there, and something that it needs is not
        raise ModuleNotFoundError(missing(top, extra=extra), name=top) from error


def missing(library: str, *, extra: str) -> str:
    """What to do about a library that is not installed.

    The command names the libraries of the extra, and not `aa1xr[extra]`: pip would look for a
    release of aa1xr, and there may be none, or another one than the user's.
    """
    try:
        every = metadata.requires("aa1xr") or []
    except metadata.PackageNotFoundError:  # a checkout on the path
        every = []
    ours = re.compile(rf"""([^;]+?)\s*;\s*extra == ['"]{extra}['"]""")
    names = [found[1] for each in every if (found := ours.fullmatch(each))]
    command, where = " ".join(f'"{name}"' for name in names), ""
    if not names:
        command, where = f'".[{extra}]"', ", in the folder of the checkout"
    return (
        f"{library} is not installed. Run: pip install {command}{where} (the extra {extra} of "
        "aa1xr)"
    )
