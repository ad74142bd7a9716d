"""Processes killed at random moments

After each kill, a process that comes along and does the same has the right data, and nothing of
the one that was killed is left.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

import aa1xr
from aa1xr.atomic import atomic_write, is_leftover
from aa1xr.store.locate import ensure_store
from aa1xr.store.read import Store
from stress.processes import apart, done, import_what, killed_after, main, moments
from stress.tally import Tally, tally, times
from tests.archive.download.crcns_server import CRCNS, pass_for_recorded


def run(work: Path, scale: float) -> Iterator[Tally]:
    """200 kills of each at scale 1."""
    return apart(__name__, work, scale)


@dataclass(frozen=True)
class Given:
    """What each test starts from."""

    archive: Path
    store: Path
    served: Path  #: the same archive, as the stand-in for CRCNS has it


def nothing(given: Given, folder: Path) -> None:
    pass


def build(given: Given, folder: Path) -> xr.Dataset:
    return aa1xr.open(given.archive, data_dir=folder)


def damage_store(given: Given, folder: Path) -> None:
    built = ensure_store(given.archive, data_dir=folder)
    (built / "spike_time/c/0").write_bytes(b"damaged")


def rebuild(given: Given, folder: Path) -> xr.Dataset:
    return aa1xr.open(given.archive, data_dir=folder, rebuild=True)


def copy_tree(given: Given, folder: Path) -> None:
    shutil.copytree(given.store, folder / "store.zarr")


def keep_spectrogram(given: Given, folder: Path) -> xr.Dataset:
    ds = aa1xr.open(folder / "store.zarr", chunks=None)
    ds["spectrogram"].load()
    Store(str(folder / "store.zarr")).check()
    return ds


def save(given: Given, folder: Path) -> xr.Dataset:
    path = folder / "saved.zarr"
    if not path.exists():
        aa1xr.save(aa1xr.open(given.store), path)
    return aa1xr.load(path)


def copy_store(given: Given, folder: Path) -> xr.Dataset:
    path = folder / "copy.zarr"
    if not path.exists():
        aa1xr.copy_store(given.store, path)
    Store(str(path)).check()
    return aa1xr.open(path)


def simulate(given: Given, folder: Path) -> xr.Dataset:
    path = folder / "simulated.zip"
    if not path.exists():
        aa1xr.simulate_archive(path, n_neurons=2, n_songs=0, n_ripples=1, n_trials=2)
    return aa1xr.open(path, data_dir=folder)[["n_trials"]]


def download(given: Given, folder: Path) -> xr.Dataset:
    return aa1xr.open(download=True, accept_terms=True, data_dir=folder)


@dataclass(frozen=True)
class Case:
    """Something that writes, is killed meanwhile, and then done by another process."""

    name: str
    write: Callable[[Given, Path], xr.Dataset]
    prepare: Callable[[Given, Path], None] = nothing  #: lay out a fresh folder


CASES = (
    Case("a build", build),
    Case("the rebuild of a damaged store", rebuild, damage_store),
    Case("keeping a spectrogram", keep_spectrogram, copy_tree),
    Case("save", save),
    Case("copy_store", copy_store),
    Case("simulate_archive", simulate),
    Case("a download", download),
)


def digest(ds: xr.Dataset) -> str:
    """Of all values, labels and all; lazy ones are computed without threads."""
    found = hashlib.sha256()
    for name, variable in sorted(ds.compute(scheduler="synchronous").variables.items()):
        values = variable.values
        found.update(f"{name} {variable.dims} {values.shape} {variable.attrs}".encode())
        found.update(str(values.tolist()).encode() if values.dtype.kind in "UT" else values)
    return found.hexdigest()


def tallies(work: Path, scale: float) -> Iterator[Tally]:
    given = make(work)
    with served(given.served):
        for case in CASES:
            with tally(case.name) as counted:
                _run_case(case, given, work / "tries", times(200, scale), counted)
            yield counted


def _run_case(case: Case, given: Given, tries: Path, n: int, counted: Tally) -> None:
    prepared = tries / "prepared"
    prepared.mkdir(parents=True)
    assert not done(lambda: case.prepare(given, prepared)).failed

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(prepared, tries / name))

    def read(folder: Path) -> Callable[[], str]:
        return lambda: digest(case.write(given, folder))

    def timed() -> tuple[str, float]:
        start = time.monotonic()
        ds = case.write(given, right)
        seconds = time.monotonic() - start
        return digest(ds), seconds

    right = fresh("right")
    expected, longest = done(timed).value
    hit = half = late = 0
    for k, seconds in enumerate(moments(case.name, n, longest)):
        folder = fresh(str(k))
        killed = killed_after(seconds, lambda folder=folder: case.write(given, folder))
        hit += killed.failed == "killed"
        half += bool(leftovers(folder))
        end = done(read(folder))
        # What was killed in letting go of its lock left that, until somebody writes there.
        for place in {path.parent for path in leftovers(folder)}:
            late += 1
            done(lambda place=place: write_something(place))
        if end.right(expected) and not leftovers(folder) and killed.failed in {"", "killed"}:
            counted.right += 1
        else:
            left = [path.name for path in leftovers(folder)]
            counted.failures.append(f"try {k}, after {seconds:.4f} s: {killed}, {end}, {left}")
        shutil.rmtree(folder)
    shutil.rmtree(tries)
    counted.figures = (
        f"{hit} killed before they ended, {half} with something half-written; {late} left a lock "
        "that only the next write removed"
    )


def leftovers(folder: Path) -> list[Path]:
    """What should not be there for good."""
    return [path for path in folder.rglob("*") if is_leftover(path.name) or ".part" in path.name]


def write_something(folder: Path) -> None:
    with atomic_write(folder / "something") as partial:
        partial.touch()


@contextlib.contextmanager
def served(archive: Path) -> Iterator[None]:
    """The stand-in for CRCNS, in a process of its own, and an environment that leads to it."""
    answer, out = os.pipe()
    if not (pid := os.fork()):
        with CRCNS(archive.read_bytes(), pause=0.005) as crcns:
            os.write(out, json.dumps(crcns.environment).encode())
            os.close(out)
            signal.pause()
    os.close(out)
    with os.fdopen(answer, "rb") as file:
        os.environ |= json.loads(file.read())
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def make(work: Path) -> Given:
    """Archives and stores to work on."""
    folder = work / "given"
    given = Given(folder / "cells.zip", folder / "store.zarr", folder / "download.zip")
    assert not done(lambda: _make(given, folder)).failed
    import_what(lambda: (digest(save(given, folder)), digest(build(given, folder))))
    return given


def _make(given: Given, folder: Path) -> None:
    aa1xr.simulate_archive(given.archive, n_neurons=2, n_songs=1, n_ripples=1, n_trials=2)
    ensure_store(given.archive, data_dir=folder).rename(given.store)
    pass_for_recorded(given.archive, given.served)


if __name__ == "__main__":
    main(tallies)
