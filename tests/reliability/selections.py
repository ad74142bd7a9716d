"""Chains of selections

against plain NumPy: `oracle.py` says what each step must give, or that it must raise.
"""

import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from unittest import mock

import dask
import dask.array
import numpy as np
import xarray as xr

import aa1xr
from aa1xr.dataset.labels import LabelIndex
from aa1xr.dataset.virtual import _Virtual
from tests.reliability import changes, choices
from tests.reliability.attack import Tally, tally, times
from tests.reliability.choices import Draw, Step, only
from tests.reliability.counted import Text, Window
from tests.reliability.lookup import ExpectedError
from tests.reliability.oracle import Array, Table

SEED = 0
WINDOWS = (
    Window(hop=80),
    Window(hop=80, before=320, after=200),
    Window(hop=160, before=100),
    Window(hop=32, after=320),
    Window(hop=48, before=96),
)
CHUNKS = (None, None, None, None, {}, {"neuron": 2, "time": 7})


def run(work: Path, scale: float) -> Iterator[Tally]:
    """Chains from `Random(f"{SEED}-{number}")`."""
    starts = opened(work)
    with tally("chains of 1 to 6 steps") as counted, alone():
        seen = Seen()
        for number in range(times(20_000, scale)):
            attempt(f"{SEED}-{number}", starts, work, counted, seen)
        counted.figures = seen.text()
    yield counted


@contextmanager
def alone() -> Iterator[None]:
    """Without threads, which take longer to start than there is to compute; a warning fails."""
    with dask.config.set(scheduler="synchronous"), warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of blocks as small as those drawn here.
        warnings.simplefilter("ignore", dask.array.PerformanceWarning)
        yield


@dataclass
class Seen:
    """What the chains were made of."""

    steps: Counter = field(default_factory=Counter)
    refused: int = 0

    def text(self) -> str:
        return f"{self.steps.total():,} steps of {len(self.steps)} kinds, {self.refused:,} refused"


def opened(work: Path) -> list[tuple[xr.Dataset, Table]]:
    """The Datasets that chains begin with, and what they must hold."""
    text = Text(SEED)
    archive = text.write(work / "cells.zip")
    return [
        (aa1xr.open(archive, data_dir=work, chunks=chunks, **window.options), table)
        for window in WINDOWS
        for table in [text.table(window)]
        for chunks in CHUNKS
    ]


def attempt(seed: str, starts, work: Path, counted: Tally, seen: Seen) -> None:
    """One chain; a failure says its seed and its steps."""
    taken: list[str] = []
    try:
        refused = chain(Random(seed), starts, work, taken, seen)
    except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
        last = traceback.format_exc(limit=-3).strip().replace("\n", " / ")
        counted.failures.append(f"Random({seed!r}): {' . '.join(taken)}: {last}")
    else:
        counted.right += not refused
        counted.refused += refused


def chain(rng: Random, starts, work: Path, taken: list[str], seen: Seen) -> bool:
    """Take some steps on both sides; whether the last one was refused."""
    ds, table = rng.choice(starts)
    as_array = rng.random() < 0.2
    if as_array:
        name = rng.choice(list(table.data))
        taken.append(f"ds.{name}")
        ds, table = ds[name].to_dataset(), replace(only(table, names=[name]), attrs=False)
    refused = False
    for _ in range(rng.randint(1, 6)):
        kind, step = draw(rng, table, work)
        taken.append(step.text)
        seen.steps[kind] += 1
        given = ds
        if as_array and not step.whole:
            (given,) = ds.data_vars.values()
        try:
            after = step.expect(table)
        except ExpectedError as expected:
            refuse(step, given, expected.errors)
            seen.refused += 1
            refused = True
            continue
        with watched(step):
            got = step.act(given)
        ds = got.to_dataset() if isinstance(got, xr.DataArray) else got
        table, refused = after, False
        as_array = as_array and len(table.data) == 1
        check_labels(ds, table)
    check_values(ds, table)
    return refused


WEIGHTS: dict[Draw, float] = {
    choices.sel_labels: 16,
    choices.sel_plain: 8,
    choices.sel_pointwise: 3,
    choices.isel: 14,
    choices.where: 6,
    choices.where_presented: 1,
    choices.groupby: 3,
    changes.arithmetic: 5,
    changes.concat: 3,
    changes.sortby: 4,
    changes.roll: 1,
    changes.drop_sel: 2,
    changes.transpose: 3,
    changes.stack: 2,
    changes.unstack: 30,
    changes.rename: 3,
    changes.compute: 2,
    changes.chunk: 2,
    changes.pickled: 3,
    changes.saved: 0.5,
    changes.own: 5,
    changes.resample: 3,
    changes.index_labels: 4,
    choices.pick: 2,
}


def draw(rng: Random, table: Table, work: Path) -> tuple[str, Step]:
    while True:
        (kind,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        take = partial(kind, folder=work) if kind is changes.saved else kind
        step = take(rng, table)
        if step is not None:
            return kind.__name__, step


def refuse(step: Step, ds: xr.Dataset, errors: tuple[type[Exception], ...]) -> None:
    try:
        got = step.act(ds)
    except errors:
        return
    raise AssertionError(f"expected {errors}, got {dict(got.sizes)}")


def watched(step: Step):
    """Nothing is computed by a step that need not."""

    def computed(*args, **kwargs):
        raise AssertionError("something was computed")

    if not step.lazy:
        return mock.MagicMock()
    if step.reads:
        return dask.config.set(scheduler=computed)
    return mock.patch.object(_Virtual, "_outer", computed)


def check_labels(ds: xr.Dataset, table: Table) -> None:
    """Names, dimensions, labels, indexes and attributes; nothing is computed for it."""
    assert set(ds.data_vars) == set(table.data), (set(ds.data_vars), set(table.data))
    assert set(ds.coords) == set(table.coords), set(ds.coords) ^ set(table.coords)
    for name, expected in (table.data | table.coords).items():
        got = ds.variables[name]
        assert got.dims == expected.dims, (name, got.dims, expected.dims)
        assert got.attrs.get("units", "") == expected.units, (name, got.attrs)
    for name, expected in table.coords.items():
        same(name, ds.variables[name].values, expected)
    indexed = {*table.plain, *(n for names in table.held.values() for n in names)}
    indexed |= {n for new, dims in table.stacked.items() for n in (new, *dims)}
    assert set(ds.xindexes) == indexed, set(ds.xindexes) ^ indexed
    for dim, names in table.held.items():
        index = ds.xindexes[dim]
        assert isinstance(index, LabelIndex)
        assert set(index.values) == set(names)
        for name in names:
            assert ds.xindexes[name] is index
            same(name, index.values[name], table.coords[name])
    if "time" in table.coords:
        assert ds["time"].attrs["dt_ms"] == table.dt_ms
    if table.attrs:
        assert ds.attrs["dt_ms"] == table.dt_ms
        assert ds.attrs["title"]


def check_values(ds: xr.Dataset, table: Table) -> None:
    """All the data; and once more that labels select."""
    for name, expected in table.data.items():
        same(name, ds.variables[name].values, expected)
    for dim, names in table.held.items():
        for name in names[1:2]:
            for value in table.coords[name].values[-1:].tolist():
                found = (table.coords[name].values == value).sum()
                assert not found or ds.sel({name: value}).sizes[dim] == found


def same(name: str, got: np.ndarray, expected: Array) -> None:
    assert got.shape == expected.values.shape, (name, got.shape, expected.values.shape)
    if expected.values.dtype.kind in "UO":
        assert got.tolist() == expected.values.tolist(), name
    elif expected.exact:
        np.testing.assert_array_equal(got, expected.values, err_msg=name)
    else:
        size = np.max(np.abs(expected.values), where=~np.isnan(expected.values), initial=0)
        np.testing.assert_allclose(got, expected.values, rtol=1e-4, atol=1e-5 * size, err_msg=name)
