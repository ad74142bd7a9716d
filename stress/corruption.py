"""Stores corrupted on the disk

Each file in turn has bits flipped, is cut, emptied or removed; then all of the store is read.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import aa1xr
from aa1xr.archive.write import write_archive
from aa1xr.store.locate import ensure_store
from aa1xr.store.read import Store
from stress.killed_processes import digest
from stress.tally import Tally, tally, times
from tests.store.conftest import SOUNDS, cells, flipped

#: What a refusal must tell.
_WAY_ON = (
    "rebuild=True",
    "save it again",
    "Save it again",
    "save them again",
    "it is computed again",
    "Check the name",
)


def run(work: Path, scale: float) -> Iterator[Tally]:
    """Every bit of a small store at scale 1, and thousands of the sample's."""
    every = 1 if scale >= 1 else 5  # of the files; odd, since chunks and metadata take turns
    small = write_archive(work / "small.zip", SOUNDS, cells())
    store = ensure_store(small, data_dir=work / "small")
    with tally("each bit and length of each chunk of a small store") as counted:
        _each(_Place(store, _read_store), counted, _chunks(times(1, 1 / scale)), every)
    yield counted
    with tally("a bit of each byte of the metadata of a small store") as counted:
        _each(_Place(store, _read_store), counted, _metadata(times(1, 1 / scale)), every)
    yield counted
    with tally("a rebuild repairs a small store, for each missing file") as counted:
        _mended(small, store, counted, every)
    yield counted

    sizes = {"n_neurons": 4, "n_songs": 2, "n_ripples": 2, "n_trials": 5}
    aa1xr.simulate_archive(work / "larger.zip", **sizes)
    ds = aa1xr.open(work / "larger.zip", data_dir=work / "larger")
    ds["spectrogram"].compute()
    larger = Path(ds.encoding["source"])
    with tally("a larger store and its cached spectrogram") as counted:
        _each(_Place(larger, _read_store), counted, _some(times(80, scale)), every)
    yield counted
    aa1xr.save(ds.isel(trial=slice(3)), work / "saved.zarr")
    with tally("a saved Dataset") as counted:
        _each(_Place(work / "saved.zarr", _load), counted, _some(times(80, scale)), every)
    yield counted


class _Place:
    """What rots, and how all of it is read."""

    def __init__(self, path: Path, read: Callable[[Path], str]) -> None:
        self.path, self._read = path, read
        self.right = read(path)

    def check(self, how: str, counted: Tally) -> None:
        try:
            found = self._read(self.path)
        except (aa1xr.StoreError, aa1xr.DataNotFoundError) as error:
            text = str(error)
            if str(self.path) in text and any(way in text for way in _WAY_ON):
                counted.refused += 1
            else:
                counted.failures.append(f"{how}: {text}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not ours
            counted.failures.append(f"{how}: {type(error).__name__}: {error}")
        else:
            if found == self.right:
                counted.right += 1
            else:
                counted.failures.append(f"{how}: wrong data")


def _read_store(path: Path) -> str:
    Store(str(path)).check()  # what no Dataset shows, such as spikes outside the window
    return digest(aa1xr.open(path, chunks=None))


def _load(path: Path) -> str:
    return digest(aa1xr.load(path))


#: From the name and bytes of a file to damaged bytes, each with what was done.
_Damages = Callable[[str, bytes], Iterator[tuple[str, bytes | None]]]


def _each(place: _Place, counted: Tally, damages: _Damages, every: int) -> None:
    files = sorted(path for path in place.path.rglob("*") if path.is_file())
    for path in files[::every]:
        name, data = path.relative_to(place.path).as_posix(), path.read_bytes()
        for what, damaged in damages(name, data):
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            place.check(f"{name}, {what}", counted)
        path.write_bytes(data)
    counted.figures = f"{len(files)} files"


def _chunks(one_in: int) -> _Damages:
    """Each bit and each length of the chunks."""

    def damages(name: str, data: bytes) -> Iterator[tuple[str, bytes | None]]:
        if name.endswith("zarr.json"):
            return
        first = random.Random(name).randrange(one_in)
        for bit in range(first, 8 * len(data), one_in):
            yield f"bit {bit}", flipped(data, bit)
        for length in range(first, len(data), one_in):
            yield f"cut to {length}", data[:length]
        yield from _lost()

    return damages


def _metadata(one_in: int) -> _Damages:
    """A bit of each byte of the metadata, of which there is more, and some lengths."""

    def damages(name: str, data: bytes) -> Iterator[tuple[str, bytes | None]]:
        if not name.endswith("zarr.json"):
            return
        rng = random.Random(name)
        for byte in range(rng.randrange(one_in), len(data), one_in):
            bit = 8 * byte + rng.randrange(8)
            yield f"bit {bit}", flipped(data, bit)
        for length in range(0, len(data), 16 * one_in):
            yield f"cut to {length}", data[:length]
        yield from _lost()

    return damages


def _some(n: int) -> _Damages:
    """Some random bits and lengths."""

    def damages(name: str, data: bytes) -> Iterator[tuple[str, bytes | None]]:
        rng = random.Random(name)
        for _ in range(n):
            bit = rng.randrange(8 * len(data))
            yield f"bit {bit}", flipped(data, bit)
        for _ in range(n // 4):
            length = rng.randrange(len(data))
            yield f"cut to {length}", data[:length]
        yield from _lost()

    return damages


def _lost() -> Iterator[tuple[str, bytes | None]]:
    yield "emptied", b""
    yield "gone", None


def _mended(archive: Path, store: Path, counted: Tally, every: int) -> None:
    right = _read_store(store)
    names = sorted(path.relative_to(store) for path in store.rglob("*") if path.is_file())
    for name in names[::every]:
        (store / name).unlink()
        aa1xr.open(archive, data_dir=store.parent, rebuild=True)
        Store(str(store)).check()
        if _read_store(store) == right:
            counted.right += 1
        else:
            counted.failures.append(f"without {name}")
