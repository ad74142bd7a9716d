"""What somebody may have put in the place of a file: links of every kind, a pipe, a folder."""

import contextlib
import os
import signal
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest


class Home:
    """A folder whose owner would miss what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "thesis.txt"
        (folder / "letters").mkdir(parents=True)
        (folder / "letters" / "zarr.json").write_text("dear")
        self.file.write_text("years of work")
        self.file.chmod(0o600)
        self._before = self._look()

    def check(self) -> None:
        assert self._look() == self._before

    def _look(self) -> dict[str, tuple[int, str]]:
        return {
            path.relative_to(self.folder).as_posix(): (
                path.lstat().st_mode,
                path.read_text() if path.is_file() else "",
            )
            for path in self.folder.rglob("*")
        }

    def put(self, kind: str, path: Path) -> None:
        """Put something in the place of a file: what lies at the path goes."""
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            path.rename(path.with_name(f"{path.name}-aside"))
            path.with_name(f"{path.name}-aside").rename(self.folder.parent / os.urandom(8).hex())
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link to a file":
            path.symlink_to(self.file)
        elif kind == "link to a folder":
            path.symlink_to(self.folder, target_is_directory=True)
        elif kind == "dangling link":
            path.symlink_to(self.folder / "new")
        elif kind == "circle":
            path.symlink_to(path)
        elif kind == "hard link":
            path.hardlink_to(self.file)
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            # Its address has 107 bytes at most, which a path of pytest's may exceed.
            with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as bound:
                bound.bind(path.name)
        else:
            path.mkdir()
            (path / "thesis.txt").write_text("years of work")


LINKS = ("link to a file", "link to a folder", "dangling link", "circle")
KINDS = (*LINKS, "hard link", "pipe")


@contextmanager
def no_waiting(seconds: int = 20):
    """Fail where something waits for a pipe."""

    def fail(*_):
        pytest.fail("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
