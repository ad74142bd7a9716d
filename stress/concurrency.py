"""Several processes and users, and places that are not as they should be

In each, a process either has the right data or an error that names the place and the way on.
"""

import contextlib
import errno
import os
import random
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import aa1xr
from aa1xr.store import locate
from stress.killed_processes import (
    Given,
    build,
    copy_store,
    digest,
    keep_spectrogram,
    leftovers,
    save,
)
from stress.killed_processes import make as make_given
from stress.processes import Child, End, apart, done, duration, main
from stress.tally import Tally, tally, times

#: Who is nobody, to be another user than the one who began.
_NOBODY = 65534


def run(work: Path, scale: float) -> Iterator[Tally]:
    return apart(__name__, work, scale)


def tallies(work: Path, scale: float) -> Iterator[Tally]:
    given = make_given(work)
    expected = done(lambda: digest(aa1xr.open(given.archive, data_dir=work / "right"))).value
    for name, case, n in CASES:
        with tally(name) as counted:
            for k in range(times(n, scale)):
                folder = work / "try"
                folder.mkdir(mode=0o755)
                case(Try(given, folder, expected, k, counted, short=scale < 1))
                shutil.rmtree(folder)
        yield counted


class Try:
    """One try, in a folder of its own."""

    def __init__(
        self, given: Given, folder: Path, expected: str, k: int, counted: Tally, *, short: bool
    ) -> None:
        self.given, self.folder, self.expected = given, folder, expected
        self.short = short  #: fewer processes and rounds
        self.rng = random.Random(k)
        self._k, self._counted = k, counted

    def open(self, data_dir: Path | None = None, *, rebuild: bool = False) -> str:
        """What a process has that opens the archive."""
        return digest(
            aa1xr.open(self.given.archive, data_dir=data_dir or self.folder, rebuild=rebuild)
        )

    def check(self, end: End, *, way_on: str = "", place: Path | None = None) -> None:
        """Count how a process ended; it may be refused with an error that tells the way on."""
        if end.right(self.expected):
            self._counted.right += 1
        elif way_on and end.refused and way_on in end.refused and str(place) in end.refused:
            self._counted.refused += 1
        else:
            self.fail(str(end))

    def fail(self, what: str) -> None:
        self._counted.failures.append(f"try {self._k}: {what}")

    def clean(self, folder: Path | None = None) -> None:
        """Nothing may be left behind."""
        if left := leftovers(folder or self.folder):
            self.fail(f"left behind: {[path.name for path in left]}")


def sixteen(one: Try) -> None:
    """Sixteen at once in an empty data directory; four in the short form."""
    builds = one.folder.with_name("builds")
    build_store = locate.build_store

    def counted(*args, **kwargs):
        build_store(*args, **kwargs)
        with builds.open("a") as file:  # a build that came too late raises before
            file.write("x")

    locate.build_store = counted
    start = time.monotonic() + 0.5

    def work() -> str:
        time.sleep(max(0, start - time.monotonic()))
        return one.open()

    children = [Child(work) for _ in range(4 if one.short else 16)]
    locate.build_store = build_store
    for child in children:
        one.check(child.end())
    if builds.read_text() != "x":
        one.fail(f"{len(builds.read_text())} builds")
    builds.unlink()
    one.clean()


def readers(one: Try) -> None:
    """Three that read while the store is rebuilt, again and again; one in the short form."""
    assert done(one.open).right(one.expected)
    rounds, n_readers = (2, 1) if one.short else (5, 3)

    def rebuilding() -> str:
        for _ in range(rounds):
            found = one.open(rebuild=True)
        return found

    def reading() -> str:
        found = {one.open() for _ in range(rounds)}
        return found.pop() if len(found) == 1 else "several"

    children = [Child(work) for work in (rebuilding, *[reading] * n_readers)]
    for child in children:
        one.check(child.end())
    one.clean()


def umasks(one: Try) -> None:
    """A store that another user built, under each umask, in a folder for all."""
    # Folders above those of the tests let no other user through.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        for mask in (0o022, 0o077) if one.short else (0o022, 0o027, 0o077):
            _umask(one, place, mask)


def _umask(one: Try, place: Path, mask: int) -> None:
    given = place / "given.zip"
    shutil.copy(one.given.archive, given)
    given.chmod(0o644)

    def shared() -> Path:
        folder = Path(tempfile.mkdtemp(dir=place))
        folder.chmod(0o777)
        return folder

    def first(folder: Path) -> str:
        os.umask(mask)
        # The other one may have finished the store, which is then said to be theirs.
        warnings.simplefilter("ignore", aa1xr.OwnerWarning)
        return digest(aa1xr.open(given, data_dir=folder))

    def second(folder: Path) -> str:
        first(shared())  # nobody may import from where this environment is
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        return digest(aa1xr.open(given, data_dir=folder))

    folder = shared()
    one.check(done(lambda: first(folder)))
    one.check(
        done(lambda: second(folder)), way_on="" if mask == 0o022 else "data_dir=", place=folder
    )
    one.clean(folder)
    # And what another is in the midst of building, or was killed in, stops nobody.
    folder = shared()
    child = Child(lambda: second(folder))
    time.sleep(one.rng.uniform(0, 0.2))
    child.kill()
    child.end()
    one.check(done(lambda: first(folder)))


def read_only(one: Try) -> None:
    """A data directory that nobody may write to, with a store in it and without."""
    given = one.folder / "given.zip"
    shutil.copy(one.given.archive, given)
    given.chmod(0o644)
    for name in ("with", "without"):
        folder = one.folder / name
        folder.mkdir()
        if name == "with":
            assert done(lambda folder=folder: aa1xr.open(given, data_dir=folder)).refused == ""
        with mounted(folder, "bind,ro"):
            end = done(lambda folder=folder: digest(aa1xr.open(given, data_dir=folder)))
            one.check(end, way_on="data_dir=" if name == "without" else "", place=folder)
        one.clean(folder)


def without_locks(one: Try) -> None:
    """Four at once on a file system that has no locks; two in the short form."""
    import fcntl

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    flock, fcntl.flock = fcntl.flock, none
    children = [Child(one.open) for _ in range(2 if one.short else 4)]
    fcntl.flock = flock
    for child in children:
        one.check(child.end())


def full(one: Try) -> None:
    """A disk that fills up in a build, keeping a spectrogram, `save` and `copy_store`."""
    for name, write in WRITES.items():
        folder = one.folder / name
        folder.mkdir()
        need = one.rng.randrange(4, 160)
        with mounted(folder, f"size={need}k"):
            if name == "spectrogram":
                try:
                    shutil.copytree(one.given.store, folder / "store.zarr")
                except shutil.Error:  # it does not even hold the store
                    continue
            end = done(lambda write=write, folder=folder: digest(write(one.given, folder)))
            one.check(end, way_on="No space left", place=folder)
            one.clean(folder)
            remount(folder, "size=16m")
            one.check(done(lambda write=write, folder=folder: digest(write(one.given, folder))))
            one.clean(folder)


WRITES = {
    "build": build,
    "spectrogram": keep_spectrogram,
    "save": save,
    "copy": copy_store,
}


def vanishing(one: Try) -> None:
    """A data directory that is removed while it is built, opened and read."""
    data = one.folder / "data"
    longest = duration(lambda: one.open(data))
    child = Child(lambda: "".join({one.open(data) for _ in range(3)}))
    time.sleep(one.rng.uniform(0, 2 * longest))
    shutil.rmtree(data, ignore_errors=True)
    one.check(child.end(), way_on=data.name, place=data)
    one.check(done(lambda: one.open(data)))


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system at `folder`: itself, read only, or a new one in memory."""
    if options.startswith("bind"):
        command = ["mount", "-o", options, str(folder), str(folder)]
    else:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def can_mount() -> bool:
    """Whether this user may mount, as root may where nothing forbids it."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    return False


_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
_ALWAYS = (
    ("sixteen processes in one empty data directory", sixteen, 20),
    ("three that read while the store is rebuilt five times", readers, 100),
    ("four processes on a file system without locks", without_locks, 20),
    ("a data directory that is removed meanwhile", vanishing, 100),
)
_AS_ROOT = (("two users, each of three umasks", umasks, 20),)
_MOUNTS = (
    ("a read-only data directory", read_only, 10),
    ("a disk that fills up", full, 50),
)
CASES = _ALWAYS + (_AS_ROOT if _ROOT else ()) + (_MOUNTS if _ROOT and can_mount() else ())


if __name__ == "__main__":
    main(tallies)
