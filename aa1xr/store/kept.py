"""Chunks that were read and checked, kept while they are in use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

import numpy.typing as npt


class Kept:
    """The arrays that were used last, up to a number of bytes. Several threads may share it."""

    #: Bytes; the spikes of AA1 are 2.8 MB.
    most = 16 * 2**20

    def __init__(self) -> None:
        self._arrays: OrderedDict[Hashable, npt.NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._mark: Any = None
        self._lock = Lock()

    def mark(self, mark: Any) -> None:
        """Forget all arrays if this differs from the last mark."""
        with self._lock:
            if mark != self._mark:
                self._arrays.clear()
                self._bytes = 0
                self._mark = mark

    def get(self, key: Hashable) -> npt.NDArray[Any] | None:
        """An array that was put there, or None. It cannot be changed."""
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
            return array

    def put(self, key: Hashable, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Keep an array, and give it; those that were used longest ago go."""
        array.flags.writeable = False
        with self._lock:
            if (before := self._arrays.pop(key, None)) is not None:
                self._bytes -= before.nbytes
            self._arrays[key] = array
            self._bytes += array.nbytes
            while self._bytes > self.most:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        return array
