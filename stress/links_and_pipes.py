"""Links, pipes and folders at names that are read, written or removed

In a data directory with a store, some names are taken by links of every kind, pipes or folders.
What is then done must have the right data, or be refused. What a link leads to must stay as it is,
must be part of no copy, and nothing may wait for a pipe.
"""

import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import aa1xr
from aa1xr.archive.write import write_archive
from aa1xr.store.locate import ensure_store
from aa1xr.store.read import Store
from stress.processes import OWN
from stress.tally import Tally, tally, times
from tests.links_and_pipes import KINDS, Home, no_waiting
from tests.store.conftest import SOUNDS, cells

_SECRET = b"years of work"


def run(work: Path, scale: float) -> Iterator[Tally]:
    """2,000 tries of each at scale 1."""
    archive = write_archive(work / "small.zip", SOUNDS, cells())
    store = ensure_store(archive, data_dir=work / "data")
    aa1xr.open(store).spectrogram.compute()
    (kept,) = (path.name for path in store.glob("spectrogram-*"))
    right = aa1xr.open(store).compute()
    names = [path.relative_to(store.parent).as_posix() for path in store.parent.rglob("*")]
    for name in (store.name, f"{store.name}/{kept}", "copy.zarr", "saved.zarr"):
        path = Path(name)
        left = (f".{path.name}.aa1xr-lock", f".{'0' * 32}.aa1xr-partial.{path.name}")
        names += [path.with_name(name).as_posix() for name in left]
    names += ["copy.zarr", "saved.zarr", "crcns-aa1.zip"]
    names += [f"{store.name}/{name}" for name in ("LICENSE.txt", "area/notes", "area/c/1")]
    for what, do in _WORK.items():
        with tally(f"links and pipes, then {what}") as counted:
            for seed in range(times(2000, scale)):
                rng = random.Random(f"{what} {seed}")
                # After an error, tasks that have begun go on for a moment, and write.
                with tempfile.TemporaryDirectory(dir=work, ignore_cleanup_errors=True) as name:
                    folder = Path(name) / "data"
                    shutil.copytree(store.parent, folder)
                    home = Home(Path(name) / "home")
                    put = []
                    for place in rng.sample(names, rng.randint(1, 3)):
                        kind = rng.choice((*KINDS, "folder"))
                        above = folder.joinpath(place).parent
                        if above.is_dir() and above.resolve().is_relative_to(folder.resolve()):
                            home.put(kind, folder / place)
                            put.append((place, kind))
                    _try(counted, f"seed {seed}: {put}", do, archive, folder, home, right)
        yield counted


def _try(counted, how, do, archive, folder, home, right) -> None:
    before = _files(folder)
    try:
        with no_waiting(), warnings.catch_warnings():
            warnings.simplefilter("ignore", aa1xr.AA1Warning)
            found = do(archive, folder, folder / _store_name(folder))
        if found is not None and not found.identical(right.assign_attrs(found.attrs)):
            raise AssertionError("other data")
        counted.right += 1
    except OWN as error:
        if "zarr" not in str(error) and str(folder) not in str(error):
            counted.failures.append(f"{how}: names no place: {error!r}")
        counted.refused += 1
    except BaseException as error:  # noqa: BLE001 - also that of no_waiting
        counted.failures.append(f"{how}: {error!r}")
    try:
        home.check()
        gone = before.keys() - _files(folder).keys()
        # What has the name of a temporary file of ours is ours.
        gone = {name for name in gone if "aa1xr-partial" not in name}
        assert not any("thesis.txt" in name for name in gone), f"removed: {gone}"
        for copy in ("copy.zarr", "saved.zarr"):
            if (folder / copy).is_dir() and not (folder / copy).is_symlink():
                here = _files(folder / copy)
                new = {name for name in here if f"{copy}/{name}" not in before}
                assert not any(_SECRET in here[name] for name in new), "carried off"
    except AssertionError as error:
        counted.failures.append(f"{how}: {error}")


def _store_name(folder: Path) -> str:
    return next(path.name for path in folder.iterdir() if path.name.startswith("other-"))


def _files(folder: Path) -> dict[str, bytes]:
    """Every regular file; no link is entered."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for above, _, names in os.walk(folder)
        for path in (Path(above, name) for name in names)
        if path.is_file() and not path.is_symlink()
    }


def _open(archive, folder, _store):
    return aa1xr.open(archive, data_dir=folder).compute()


def _rebuild(archive, folder, _store):
    return aa1xr.open(archive, data_dir=folder, rebuild=True).compute()


def _copy(_archive, folder, store):
    aa1xr.copy_store(store, folder / "copy.zarr")
    return aa1xr.open(folder / "copy.zarr").compute()


def _save(_archive, folder, store):
    aa1xr.save(aa1xr.open(store), folder / "saved.zarr")
    return aa1xr.load(folder / "saved.zarr").compute()


def _verify(_archive, _folder, store):
    Store(str(store)).check()


_WORK = {
    "opened": _open,
    "rebuilt": _rebuild,
    "copied": _copy,
    "saved": _save,
    "verified": _verify,
}
