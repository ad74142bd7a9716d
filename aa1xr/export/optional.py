"""Optional libraries, imported by the function that needs them."""

from __future__ import annotations

import importlib
from typing import Any


def import_optional(module: str, *, extra: str) -> Any:
    """Import `module`, or say which extra of the package brings it.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is there, and something that it needs is not
        raise ModuleNotFoundError(
            f"{error.name} is not installed; pip install 'aa1xr[{extra}]' brings it",
            name=error.name,
        ) from error
