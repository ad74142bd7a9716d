"""Data that tries to run code when it is read: what is made here would leave a mark."""

import contextlib
import io
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numcodecs.pickles
import numpy as np
import xarray as xr
import zarr

import aa1xr
from aa1xr import cli
from aa1xr.store.read import Store
from tests.store.conftest import resealed

_PICKLE, _TEXT = {"id": "pickle", "protocol": 4}, {"id": "vlen-utf8"}
#: Where in an array of Zarr format 2 numcodecs' pickle may stand.
OLD = (
    {"dtype": "|O", "filters": [_PICKLE], "compressor": None},
    {"dtype": "|O", "filters": [_TEXT, _PICKLE], "compressor": None},
    {"dtype": "|O", "filters": [_TEXT], "compressor": _PICKLE},
    {"dtype": "<i4", "filters": [_PICKLE], "compressor": None},
    {"dtype": "<i4", "filters": None, "compressor": _PICKLE},
)
#: What an array of format 3 might name, were names looked up in Python.
NAMES = (
    "pickle", "numcodecs.pickle", "numcodecs/pickle", "os.system", "os:system", "builtins.eval",
)  # fmt: skip


class Mark:
    """A pickle that leaves a mark when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.payload = pickle.dumps(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)

    def was_left(self) -> bool:
        was = self.path.exists()
        self.path.unlink(missing_ok=True)
        return was


@contextlib.contextmanager
def pickles_allowed() -> Iterator[None]:
    """Let numcodecs and zarr unpickle, as they always did before 0.16.6 and 3.4."""
    allowed = numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE
    numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE = True
    try:
        with zarr.config.set({"array.allow_unsafe_pickle_decode": True}):
            yield
    finally:
        numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE = allowed


def _old(shape: list[int], how: dict[str, Any], **more: Any) -> dict[str, Any]:
    grid = {"shape": shape, "chunks": shape, "fill_value": None, "order": "C"}
    return {"zarr_format": 2, **grid, **how, **more}


def old_store(path: Path, how: dict[str, Any], mark: Mark) -> None:
    """A store of format 2."""
    (path / "x").mkdir(parents=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / "x" / ".zarray").write_text(json.dumps(_old([2], how)))
    (path / "x" / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["x"]}')
    (path / "x" / "0").write_bytes(mark.payload)


def mixed_store(path: Path, how: dict[str, Any], mark: Mark) -> None:
    """One of format 3 whose metadata list an array of format 2."""
    arrays = {"x": _old([2], how, attributes={"_ARRAY_DIMENSIONS": ["x"]})}
    (path / "x").mkdir(parents=True)
    (path / "x" / "0").write_bytes(mark.payload)
    document = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {},
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": arrays},
    }
    (path / "zarr.json").write_text(json.dumps(document))


def strange_store(path: Path, name: str, part: str) -> None:
    """One of format 3 that names something that is not Zarr's."""
    aa1xr.save(xr.Dataset({"x": ("x", np.arange(2))}), path)
    root = path / "zarr.json"
    document = json.loads(root.read_text())
    _rename(document["consolidated_metadata"]["metadata"]["x"], name, part)
    root.write_text(json.dumps(document))


def _rename(array: dict[str, Any], name: str, part: str) -> None:
    named = {"name": name, "configuration": {"id": "pickle", "protocol": 4}}
    match part:
        case "codec":
            array["codecs"] = [*array["codecs"], named]
        case "serializer":
            array["codecs"][0] = named
        case "dtype":
            array["data_type"] = name
        case "grid":
            array["chunk_grid"]["name"] = name
        case "keys":
            array["chunk_key_encoding"]["name"] = name


PARTS = ("codec", "serializer", "dtype", "grid", "keys")


def changed_copy(store: Path, path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A store of aa1xr whose arrays say something else, sealed again."""
    shutil.copytree(store, path)
    resealed(path, lambda document: change(document["consolidated_metadata"]["metadata"]))


def malicious_stores(store: Path, work: Path, mark: Mark) -> Iterator[tuple[str, Path, str]]:
    """(what, where, which part of a store of aa1xr it is, if it is one) of each evil store."""
    number = 0

    def place() -> Path:
        nonlocal number
        number += 1
        return work / f"evil-{number}.zarr"

    for how in OLD:
        old_store(path := place(), how, mark)
        yield f"format 2, {how}", path, ""
        mixed_store(path := place(), how, mark)
        yield f"format 2 in format 3, {how}", path, ""
        for name in ("neuron", "n_samples", "spike_time", "row_size"):

            def change(arrays: dict[str, Any], name: str = name, how: Any = how) -> None:
                arrays[name] = _old(arrays[name]["shape"], how, attributes={})

            changed_copy(store, path := place(), change)
            (path / name / "0").write_bytes(mark.payload)
            (path / name / "0.0.0").write_bytes(mark.payload)
            yield f"{name} of format 2, {how}", path, name
    for name in NAMES:
        for part in PARTS:
            strange_store(path := place(), name, part)
            yield f"{part} {name}", path, ""

            def rename(arrays: dict[str, Any], name: str = name, part: str = part) -> None:
                _rename(arrays["area"], name, part)

            changed_copy(store, path := place(), rename)
            yield f"{part} {name} of area", path, "area"


def readings(path: Path, part: str) -> dict[str, Callable[[], object]]:
    """Every way to read one, each of which is to end with an error of the package."""
    url = f"file://{path}"
    if not part:
        return {
            "load": lambda: aa1xr.load(path).compute(),
            "load a URL": lambda: aa1xr.load(url).compute(),
            "load without dask": lambda: aa1xr.load(path, chunks=None).compute(),
        }
    ways = {
        "open": lambda: aa1xr.open(path).compute(scheduler="synchronous"),
        "open a URL": lambda: aa1xr.open(url).psth.compute(scheduler="synchronous"),
        "events": lambda: aa1xr.events(path),
        "copy": lambda: aa1xr.copy_store(path, path.with_name("copy.zarr")),
        "check": lambda: Store(str(path)).check(),
    }
    if part not in {"spike_time", "row_size"}:  # which it does not read
        ways["info"] = lambda: _command("info", str(path))
    return ways


def _command(*arguments: str) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        if cli.main(arguments):
            raise aa1xr.StoreError("the command ended with 1")


def is_live(work: Path, mark: Mark) -> bool:
    """Whether zarr by itself runs what was made: else nothing is shown by what aa1xr does."""
    old_store(work / "live.zarr", OLD[1], mark)
    with contextlib.suppress(Exception):
        zarr.open_group(work / "live.zarr", mode="r")["x"][...]
    return mark.was_left()
