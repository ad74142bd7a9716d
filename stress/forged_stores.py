"""Stores changed, with new checksums for the changes

A seal shows that a store is as it was sealed, not who sealed it. Metadata, labels, chunks and
cached spectrograms are changed at random, every checksum is made right again, and the store is
read. It may be refused, or read as what it says; nothing else may happen, nor take long or much
memory.
"""

import contextlib
import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs import Zstd

import aa1xr
from aa1xr.archive.contents import Contents
from aa1xr.archive.write import write_archive
from aa1xr.store.chunks import CHECKSUM, CHECKSUMS, chunk_keys
from aa1xr.store.layout import ARRAYS, CONSOLIDATED, METADATA, seal
from aa1xr.store.locate import ensure_store
from aa1xr.store.read import Store
from stress.tally import Tally, tally, times
from tests.store.conftest import SOUNDS, cells

#: Bytes of memory that reading a store of kilobytes may ask for.
MOST_MEMORY = 2**30
LONGEST_S = 20

_ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 2**31, 2**62, 10**30, 0.5, 1e300, float("nan"), "", "x",
    "../x", "\x1b[2J", "int8", "float64", "zarr", "x" * 3000, [], [1], [0], [-1], [10**12], {},
    {"name": "x"}, [None], [[]], {"a": [1, {"b": None}]},
]  # fmt: skip


def run(work: Path, scale: float) -> Iterator[Tally]:
    """10,000 changes at scale 1."""
    store = ensure_store(
        write_archive(work / "small.zip", SOUNDS, cells()), data_dir=work / "stores"
    )
    ds = aa1xr.open(store)
    ds.spectrogram.compute()
    aa1xr.save(ds, work / "saved.zarr")
    for kind, n in ((_metadata, 4000), (_chunk, 3000), (_added, 1000), (_saved, 2000)):
        origin, read = (
            (work / "saved.zarr", read_saved) if kind is _saved else (store, read_everything)
        )
        with tally(f"{kind.__doc__}, sealed again") as counted:
            for seed in range(times(n, scale)):
                copy = work / "copy.zarr"
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(origin, copy)
                how = kind(copy, random.Random(f"{kind.__name__} {seed}"))
                _read(read, copy, f"seed {seed}: {how}", counted)
        yield counted


def _read(read: Callable[[Path], None], path: Path, how: str, counted: Tally) -> None:
    try:
        with _limits():
            read(path)
    except aa1xr.StoreError:
        counted.refused += 1
    except ValueError as error:
        # A sample rate at which 5 ms is no whole number of samples.
        if str(error).startswith("dt_ms=5 "):
            counted.refused += 1
        else:
            counted.failures.append(f"{how}: ValueError: {error}")
    except BaseException as error:
        counted.failures.append(f"{how}: {type(error).__name__}: {error}")
        if isinstance(error, KeyboardInterrupt):
            raise
    else:
        counted.right += 1


def read_everything(path: Path) -> None:
    """What a user would: open it, look at it, compute, verify."""
    ds = aa1xr.open(path, chunks=None)
    repr(ds), ds.aa1._repr_html_()
    ds.psth[:2].compute(), ds.spikes[0, 0].compute()
    ds.spectrogram[-1].compute()
    aa1xr.events(ds)
    store = Store(str(path))
    store.check()
    _ = Contents.of_attrs(store.attrs).title


def read_saved(path: Path) -> None:
    """All of a saved Dataset."""
    repr(aa1xr.load(path))
    aa1xr.load(path, chunks=None).compute()


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """A time and an amount of memory; the latter where the system has such limits."""
    import resource

    def stop(*_: Any) -> None:
        raise TimeoutError(f"longer than {LONGEST_S} s")

    status = Path("/proc/self/statm")
    used = int(status.read_text().split()[0]) * resource.getpagesize() if status.exists() else None
    before = resource.getrlimit(resource.RLIMIT_AS)
    alarm = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_S)
    if used is not None:
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, alarm)


def _metadata(path: Path, rng: random.Random) -> str:
    """The metadata of all arrays and of the store"""
    root = path / METADATA
    document = json.loads(root.read_bytes())
    how = [_change(document, rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    # Without attributes there is no place for a seal.
    if isinstance(document.get("attributes"), dict):
        root.write_bytes(_deep(seal(json.dumps(document).encode()), rng, how))
    else:
        root.write_bytes(json.dumps(document).encode())
    return "; ".join(how)


def _deep(data: bytes, rng: random.Random, how: list[str]) -> bytes:
    """Rarely, JSON that is nested too deep for any reader."""
    if rng.random() > 0.01:
        return data
    how.append("nested 100,000 deep")
    return data[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def _change(document: Any, rng: random.Random) -> str:
    """Change one value, at any depth, and say how."""
    where = []
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = rng.choice(keys)
        where.append(str(key))
        below = node[key]
        if not (isinstance(below, dict | list) and below) or rng.random() < 0.1:
            break
        node = below
    kind = rng.choice(["odd", "odd", "delete", "number", "swap", "add"])
    if kind == "delete":
        del node[key]
    elif kind == "number" and isinstance(below, int):
        node[key] = below * rng.choice([0, -1, 2, 10**3, 10**9]) + rng.choice([0, 1, -1])
    elif kind == "swap":
        other = rng.choice(keys)
        node[key], node[other] = node[other], node[key]
    elif kind == "add" and isinstance(node, dict):
        node[rng.choice(["x", "must_understand", "../x"])] = deepcopy(rng.choice(_ODD))
    else:
        node[key] = deepcopy(rng.choice(_ODD))
    return f"{kind} {'.'.join(where)} -> {str(node)[:60]}"


def _chunk(path: Path, rng: random.Random) -> str:
    """A chunk of any array"""
    file = rng.choice(sorted(p for p in path.glob("*/c/**/*") if p.is_file()))
    how = _change_chunk(file, rng)
    name = file.relative_to(path).parts[0]
    if name in ARRAYS:
        list_checksums(path, name, path)
    else:
        list_checksums(path, name, path / name)
    return how


def list_checksums(path: Path, name: str, lister: Path) -> None:
    """List the checksums of the chunks of an array as they are."""
    array = zarr.open_array(path / name, mode="r")
    found = "".join((path / name / k).read_bytes()[-CHECKSUM:].hex() for k in chunk_keys(array))
    document = json.loads((lister / METADATA).read_bytes())
    listed = document["attributes"]
    if lister == path:
        listed[CHECKSUMS][name] = found
    else:
        listed[CHECKSUMS] = found
    (lister / METADATA).write_bytes(seal(json.dumps(document).encode()))


def _change_chunk(file: Path, rng: random.Random) -> str:
    raw = bytearray(Zstd().decode(file.read_bytes()[:-4]))
    kind = rng.choice(["value", "value", "bytes", "shorter", "longer", "bomb", "frame"])
    if kind == "value":
        width = rng.choice([1, 2, 4, 8])
        at = rng.randrange(0, max(1, len(raw) - width + 1), width)
        value = rng.choice([0, 1, -1, 2 ** (8 * width - 1) - 1, -(2 ** (8 * width - 1)), 3])
        raw[at : at + width] = value.to_bytes(width, "little", signed=True)
    elif kind == "bytes":
        for _ in range(rng.randrange(1, 9)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
    elif kind == "shorter":
        del raw[rng.randrange(len(raw)) :]
    elif kind == "longer":
        raw += rng.randbytes(rng.randrange(1, 99))
    elif kind == "bomb":
        raw = bytearray(2**28)
    data = bytearray(Zstd(level=1).encode(bytes(raw)))
    if kind == "frame":
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(min(12, len(data)))] = rng.randrange(256)
    checksum = np.uint32(google_crc32c.value(bytes(data))).astype("<u4").tobytes()
    file.write_bytes(bytes(data) + checksum)
    return f"{kind} in {file.relative_to(file.parents[3])}"


def _added(path: Path, rng: random.Random) -> str:
    """A cached spectrogram"""
    (folder,) = path.glob("spectrogram-*")
    if rng.random() < 0.3:
        how = _change_chunk(next(p for p in folder.glob("c/**/*") if p.is_file()), rng)
        list_checksums(path, folder.name, folder)
        return how
    document = json.loads((folder / METADATA).read_bytes())
    how = _change(document, rng)
    if isinstance(document.get("attributes"), dict):
        (folder / METADATA).write_bytes(seal(json.dumps(document).encode()))
    return how


def _saved(path: Path, rng: random.Random) -> str:
    """A saved Dataset"""
    if rng.random() < 0.3:
        file = rng.choice(sorted(p for p in path.glob("*/c/**/*") if p.is_file()))
        return _change_chunk(file, rng)
    document = json.loads((path / METADATA).read_bytes())
    how = _change(document, rng)
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        document = json.loads(seal(json.dumps(document).encode(), part=CONSOLIDATED))
    (path / METADATA).write_text(json.dumps(document))
    return how
