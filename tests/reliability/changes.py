"""Steps that change a Dataset or take it elsewhere, drawn at random, with what each must give."""

from __future__ import annotations

import math
import operator
import pickle
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from tests.reliability import functions
from tests.reliability.choices import Step, one_of, some
from tests.reliability.oracle import Table

# Between selections


def arithmetic(rng: Random, table: Table) -> Step | None:
    dims = [d for d in (*table.held, *sorted(table.plain)) if d in table.sizes]
    kept = {*table.plain, *(n for names in table.held.values() for n in names)}
    if not dims or table.stacked or any(a.dims for n, a in table.coords.items() if n not in kept):
        return None
    join = rng.choice(["inner", "inner", "outer", "outer", "left", "right"])
    name, op = rng.choice([("-", operator.sub), ("+", operator.add), ("*", operator.mul)])
    parts = []
    for _ in range(2):
        chosen = rng.sample(dims, min(len(dims), rng.choice([1, 1, 2])))
        parts.append({d: some(rng, range(table.sizes[d])) for d in chosen})
    one, two = parts

    def act(ds: xr.Dataset) -> xr.Dataset:
        with xr.set_options(arithmetic_join=join):
            return op(ds.isel(one), ds.isel(two))

    return Step(
        f"isel({one}) {name} isel({two}), arithmetic_join={join!r}",
        act,
        lambda t: t.isel(one).arithmetic(t.isel(two), op, join),
        reads=True,
    )


def concat(rng: Random, table: Table) -> Step | None:
    dim = one_of(rng, [d for d, n in table.sizes.items() if n and d not in table.stacked])
    if dim is None or not any(dim in a.dims for a in table.data.values()):
        return None
    size = table.sizes[dim]
    one, two = ({dim: some(rng, range(size))} for _ in range(2))
    options = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "exact"}
    return Step(
        f"concat([isel({one}), isel({two})], {dim!r})",
        lambda ds: xr.concat([ds.isel(one), ds.isel(two)], dim, **options),
        lambda t: t.isel(one).concat(t.isel(two), dim),
        reads=True,
        whole=True,
    )


# Shape and names


def sortby(rng: Random, table: Table) -> Step | None:
    names = [*sorted(table.plain), *(n for names in table.held.values() for n in names)]
    name = one_of(rng, sorted(names))
    if name is None:
        return None
    ascending = rng.random() < 0.5
    return Step(
        f"sortby({name!r}, ascending={ascending})",
        lambda ds: ds.sortby(name, ascending=ascending),
        lambda table: table.sortby(name, ascending=ascending),
    )


def roll(rng: Random, table: Table) -> Step | None:
    dim = one_of(rng, [d for d in table.sizes if d not in table.stacked])
    if dim is None:
        return None
    by = rng.randint(-3, 3)
    return Step(
        f"roll({dim}={by}, roll_coords=True)",
        lambda ds: ds.roll({dim: by}, roll_coords=True),
        lambda table: table.take(dim, np.roll(np.arange(table.sizes[dim]), by)),
        reads=True,
    )


def drop_sel(rng: Random, table: Table) -> Step | None:
    dim = one_of(rng, [d for d in (*table.held, *sorted(table.plain)) if table.sizes[d]])
    if dim is None:
        return None
    gone = some(rng, dict.fromkeys(table.coords[dim].values.tolist()))[:2]
    if rng.random() < 0.1:
        gone.append("nobody" if isinstance(gone[0], str) else -1)
    return Step(
        f"drop_sel({dim}={gone})",
        lambda ds: ds.drop_sel({dim: gone}),
        lambda t: t.drop_sel(dim, gone),
    )


def transpose(rng: Random, table: Table) -> Step | None:
    order = rng.sample(sorted(table.sizes), len(table.sizes))
    return Step(
        f"transpose(*{order})", lambda ds: ds.transpose(*order), lambda t: t.transpose(order)
    )


def stack(rng: Random, table: Table) -> Step | None:
    dims = [d for d in table.sizes if d in {*table.held, *table.plain}]
    # xarray cannot stack what is empty.
    if table.stacked or "both" in table.sizes or len(dims) < 2 or not all(table.sizes.values()):
        return None
    pair = tuple(rng.sample(dims, 2))
    return Step(
        f"stack(both={pair})",
        lambda ds: ds.stack(both=pair),
        lambda table: table.stack("both", pair),
        reads=True,
    )


def unstack(rng: Random, table: Table) -> Step | None:
    if not table.stacked:
        return None
    return Step(
        "unstack('both')", lambda ds: ds.unstack("both"), lambda t: t.unstack("both"), reads=True
    )


_NEW_NAMES = {
    "neuron": "cell",
    "area": "region",
    "type": "kind",
    "stimulus": "sound",
    "trial": "repeat",
    "freq": "frequency",
    "psth": "rate",
    "animal_id": "bird",
}


def rename(rng: Random, table: Table) -> Step | None:
    if table.stacked:
        return None
    both = _NEW_NAMES | {new: old for old, new in _NEW_NAMES.items()}
    names = [n for n in both if n in table.data or n in table.coords]
    names = [n for n in names if both[n] not in (*table.data, *table.coords)]
    if not names:
        return None
    new = {name: both[name] for name in rng.sample(names, min(len(names), rng.randint(1, 2)))}
    return Step(
        f"rename({new})", lambda ds: ds.rename(new), lambda table: table.rename(new), whole=True
    )


# To another place and back


def compute(rng: Random, table: Table) -> Step | None:
    how, act = rng.choice(
        [("compute()", lambda ds: ds.compute()), ("copy().load()", lambda ds: ds.copy().load())]
    )
    return Step(how, act, lambda table: table, lazy=False, reads=True)


def chunk(rng: Random, table: Table) -> Step | None:
    indexed = {
        *table.plain,
        *table.stacked,
        *(name for held in table.held.values() for name in held),
    }
    if any(array.dims for name, array in table.coords.items() if name not in indexed):
        return None  # xarray chunks labels that are in no index, and cannot mask by them then
    sizes = {dim: rng.choice([1, 2, 3, -1]) for dim in some(rng, sorted(table.sizes), least=0)}
    return Step(f"chunk({sizes})", lambda ds: ds.chunk(sizes), lambda table: table)


def pickled(rng: Random, table: Table) -> Step | None:
    return Step("pickle", lambda ds: pickle.loads(pickle.dumps(ds)), lambda table: table)


_NUMBER = count()


def saved(rng: Random, table: Table, *, folder: Path) -> Step | None:
    chunks = rng.choice([None, {}])
    twice = rng.random() < 0.3

    def act(ds: xr.Dataset) -> xr.Dataset:
        for _ in range(2 if twice else 1):
            path = folder / f"{next(_NUMBER)}.zarr"
            aa1xr.save(ds, path)
            ds = aa1xr.load(path, chunks=chunks)
        return ds

    text = f"save, load(chunks={chunks}){', and again' if twice else ''}"
    return Step(text, act, functions.loaded, lazy=False, reads=True, whole=True)


# aa1xr's own


def own(rng: Random, table: Table) -> Step | None:
    name, act, expect, lazy = rng.choice(
        [
            ("drop_missing", aa1xr.drop_missing, functions.drop_missing, False),
            ("psth", lambda ds: aa1xr.psth(ds).to_dataset(), functions.psth, True),
            ("presented", _with_presented, functions.presented, True),
        ]
    )
    if name == "presented" and "presented" in table.data:
        return None
    return Step(f"aa1xr.{name}(ds)", act, expect, lazy=lazy, reads=True, whole=True)


def _with_presented(ds: xr.Dataset) -> xr.Dataset:
    return ds.merge({"presented": aa1xr.presented(ds).astype("int8")})


def resample(rng: Random, table: Table) -> Step | None:
    factor = rng.choice([1, 2, 2, 3, 4, 1.5])
    dt_ms = table.dt_ms * factor
    return Step(
        f"aa1xr.resample(ds, dt_ms={dt_ms})",
        lambda ds: aa1xr.resample(ds, dt_ms=dt_ms),
        partial(functions.resample, factor=factor),
        reads=True,
        whole=True,
    )


def index_labels(rng: Random, table: Table) -> Step | None:
    labels: dict[str, Any] = {}
    dim = one_of(rng, [d for d in ("neuron", "stimulus", "cell", "sound") if d in table.sizes])
    if dim is not None:
        size = table.sizes[dim] + (rng.random() < 0.05)
        name, values = rng.choice(
            [
                ("depth_um", [100.0 * (k % 4) for k in range(size)]),
                ("area", ["CM", "NCM"] * size),
                ("loud", [k % 3 == 0 for k in range(size)]),
                ("snr", [0.25 * k if k % 3 else math.nan for k in range(size)]),
            ]
        )
        labels[name] = (dim, values[:size])
    if rng.random() < 0.4:
        labels[rng.choice(["rig", "cell_seq", "name", "nothing"])] = None
    return Step(
        f"aa1xr.index_labels(ds, {labels})",
        lambda ds: aa1xr.index_labels(ds, **labels),
        partial(functions.index_labels, labels=labels),
        whole=True,
    )
