"""A zarr store around another: the base of those that check what they read."""

from __future__ import annotations

from copy import copy
from typing import Self

from zarr.abc.store import Store
from zarr.storage import WrapperStore


class Wrapper(WrapperStore[Store]):
    """A zarr store around another; zarr may put it, as it is, around a third."""

    def _with_store(self, store: Store) -> Self:
        other = copy(self)
        other._store = store  # noqa: SLF001 - of the same class
        return other
