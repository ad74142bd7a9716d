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
    """Finds no module itself, but learns from this that xarray is imported."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != "xarray":
            return None
        sys.meta_path.remove(self)
        try:
            spec = find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: Any) -> None:
                execute(module)
                sys.meta_path.remove(self)
                _register()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _register() -> None:
    import xarray as xr

    xr.register_dataset_accessor("aa1")(_of_dataset)  # type: ignore[no-untyped-call]
    xr.register_dataarray_accessor("aa1")(_of_array)  # type: ignore[no-untyped-call]


def _of_dataset(ds: Any) -> Any:
    from aa1xr.accessor import DatasetAccessor

    return DatasetAccessor(ds)


def _of_array(array: Any) -> Any:
    from aa1xr.accessor import DataArrayAccessor

    return DataArrayAccessor(array)
