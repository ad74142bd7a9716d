"""The dask cluster that is in use, if one is."""

from __future__ import annotations

import sys
from typing import Any


def open_client() -> Any | None:
    """The `dask.distributed.Client` of this process: a library that is not loaded has none."""
    distributed: Any = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None
