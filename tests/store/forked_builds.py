"""Build a store in forked processes that come to grief; a module that test_build.py runs.

Python announces whatever is done to a file before it is done (an audit event). So the n-th
announcement is an instant of the build that can be hit exactly, and all of them are all the
states in which files can be found.
"""

import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from aa1xr.store import locate
from stress.processes import done, import_what

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def at_each_write(folder, do):
    """Call do(n) before the n-th time that something is written, made or renamed in `folder`."""
    count = 0

    def hook(event, args):
        nonlocal count
        writes = args[2] & WRITES if event == "open" else event in {"os.mkdir", "os.rename"}
        if writes and str(args[0]).startswith(str(folder)):
            count += 1
            do(count)

    sys.addaudithook(hook)


def instants(archive, root):
    """Every 24th moment of a build, and all around its end."""

    def work():
        seen = []
        at_each_write(root / "count", seen.append)
        locate.ensure_store(archive, data_dir=root / "count")
        return len(seen)

    n = done(work).value
    return sorted({*range(1, n, 24), *range(n - 6, n + 1)})


def killed(archive, root):
    """Kill builds at each of the instants; `stress.killed_processes` does so at random ones."""
    for at in instants(archive, root):
        folder = root / f"killed-at-{at}"

        def work(folder=folder, at=at):
            at_each_write(folder, lambda n: n == at and os.kill(os.getpid(), signal.SIGKILL))
            locate.ensure_store(archive, data_dir=folder)

        assert done(work).failed == "killed"


def full(archive, root):
    """Fill the disk at each of the instants."""
    for at in instants(archive, root):
        folder = root / f"full-at-{at}"

        def work(folder=folder, at=at):
            def fill(n):
                if n >= at:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            at_each_write(folder, fill)
            with pytest.raises(OSError, match="No space left"):
                locate.ensure_store(archive, data_dir=folder)

        assert done(work).right(None), at


if __name__ == "__main__":
    os.fsync = lambda descriptor: None  # nothing here cuts the power
    mode, archive, root = sys.argv[1], *map(Path, sys.argv[2:])
    import_what(lambda: str(locate.ensure_store(archive, data_dir=root / "imports")))
    {"killed": killed, "full": full}[mode](archive, root)
