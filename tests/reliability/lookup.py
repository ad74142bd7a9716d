"""Which positions a label stands for, by looking at each value in turn; what it must raise."""

from typing import Any

import numpy as np
import pandas as pd


class ExpectedError(Exception):
    """The step must raise one of these."""

    def __init__(self, *errors: type[Exception]) -> None:
        self.errors = errors


def labelled(array: np.ndarray, label: Any, *, on_axis: bool) -> Any:
    """Where there is an index of labels. On the axis itself, order counts and a scalar is one."""
    values = array.tolist()
    if callable(label):
        mask = np.array(label(array))
        if mask.dtype.kind != "b":
            raise ExpectedError(TypeError)
        return _masked(values, mask)
    if isinstance(label, slice):
        return np.flatnonzero(_inside(values, label))
    if isinstance(label, np.ndarray) and array.dtype.kind != "b":
        return _masked(values, label)
    # Booleans for a label that has booleans are what is in them, as in any list.
    label = label.tolist() if isinstance(label, np.ndarray) else label
    wanted = label if isinstance(label, list) else [label]
    places = [[k for k, value in enumerate(values) if value == one] for one in wanted]
    if not all(places):
        raise ExpectedError(KeyError)
    if not on_axis:
        return _something(np.array(sorted({k for place in places for k in place}), int))
    if not isinstance(label, list) and len(places[0]) == 1:
        return places[0][0]
    if any(
        len(place) > 1 and wanted.count(one) > 1 for one, place in zip(wanted, places, strict=True)
    ):
        raise ExpectedError(ValueError)
    return np.array([k for place in places for k in place], int)


def _masked(values: list[Any], mask: np.ndarray) -> np.ndarray:
    if mask.size != len(values):
        raise ExpectedError(ValueError)
    return _something(np.flatnonzero(mask))


def _inside(values: list[Any], label: slice) -> list[bool]:
    if label.step is not None:
        raise ExpectedError(ValueError)
    bounds = [bound for bound in (label.start, label.stop) if bound is not None]
    if values and any(isinstance(bound, str) != isinstance(values[0], str) for bound in bounds):
        raise ExpectedError(TypeError)
    inside = [
        (label.start is None or value >= label.start)
        and (label.stop is None or value <= label.stop)
        for value in values
    ]
    if not any(inside):
        raise ExpectedError(KeyError)
    return inside


def _something(positions: np.ndarray) -> np.ndarray:
    if not positions.size:
        raise ExpectedError(KeyError)
    return positions


def indexed(array: np.ndarray, label: Any, method: str | None) -> Any:
    """Where the coordinate is alone in its index: what pandas says."""
    index = pd.Index(array)
    try:
        if isinstance(label, slice):
            return np.arange(len(index))[index.slice_indexer(label.start, label.stop)]
        if not isinstance(label, list) and method is None:
            place = index.get_loc(label)
            return place if isinstance(place, int) else np.arange(len(index))[place]
        positions = index.get_indexer(np.atleast_1d(label), method=method)
    except Exception as error:
        raise ExpectedError(type(error)) from error
    if (positions < 0).any():
        raise ExpectedError(KeyError)
    return positions if isinstance(label, list) else int(positions[0])
