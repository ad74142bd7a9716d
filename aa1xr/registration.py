"""`ds.aa1` for every Dataset, whichever of aa1xr and xarray is imported first."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Any


def register_accessors() -> None:
    """Register the accessors with xarray, now or as soon as somebody imports it.

    To import xarray takes much longer than many a command of `aa1xr`.
    """
    if "xarray" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _WhenImported())


class _WhenImported:
    """Finds no module itself, but learns from this that xarray is imported.

    It stays in `sys.meta_path`, since other threads may be going through it.
    """

    def __init__(self) -> None:
        self._asleep = False

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != "xarray" or self._asleep:
            return None
        self._asleep = True
        try:
            spec = find_spec(name)
        finally:
            self._asleep = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: Any) -> None:
                execute(module)
                self._asleep = True
                _register()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _register() -> None:
    import xarray as xr

    if hasattr(xr.Dataset, "aa1"):  # aa1xr is imported again
        return
    xr.register_dataset_accessor("aa1")(_of_dataset)  # type: ignore[no-untyped-call]
    xr.register_dataarray_accessor("aa1")(_of_array)  # type: ignore[no-untyped-call]


def _of_dataset(ds: Any) -> Any:
    """The functions of aa1xr that take a Dataset first, as methods: see `aa1xr.accessor`."""
    from aa1xr.accessor import DatasetAccessor

    return DatasetAccessor(ds)


def _of_array(array: Any) -> Any:
    """The functions of aa1xr that take a variable first, as methods: see `aa1xr.accessor`."""
    from aa1xr.accessor import DataArrayAccessor

    return DataArrayAccessor(array)
