"""Build a store in forked processes that come to grief; a script that test_build.py runs.

Python announces whatever is done to a file before it is done (an audit event). So the n-th
announcement is an instant of the build that can be hit exactly, and all of them are all the
states in which files can be found. Forking spares each build the imports.
"""

import errno
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from aa1xr.store import locate

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


def fork(work):
    """Do `work` in a process of its own, which ends with 0 if it did not raise."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        if code:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(code)


def code_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def instants(archive, root):
    """Every 24th moment of a build, and all around its end; and how long it takes."""

    def work():
        n = 0

        def count(at):
            nonlocal n
            n = at

        at_each_write(root / "count", count)
        start = time.monotonic()
        locate.ensure_store(archive, data_dir=root / "count")
        (root / "n").write_text(json.dumps([n, time.monotonic() - start]))

    assert code_of(fork(work)) == 0
    n, seconds = json.loads((root / "n").read_text())
    return sorted({*range(1, n, 24), *range(n - 6, n + 1)}), seconds


def killed(archive, root):
    """Kill builds at each of the instants, and at random ones between them."""
    exact, seconds = instants(archive, root)
    for at in exact:
        folder = root / f"killed-at-{at}"

        def work(folder=folder, at=at):
            at_each_write(folder, lambda n: n == at and os.kill(os.getpid(), signal.SIGKILL))
            locate.ensure_store(archive, data_dir=folder)

        assert code_of(fork(work)) == -signal.SIGKILL
    rng = random.Random(0)
    for k in range(3):
        pid = fork(lambda k=k: locate.ensure_store(archive, data_dir=root / f"killed-later-{k}"))
        time.sleep(rng.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        assert code_of(pid) in {0, -signal.SIGKILL}


def full(archive, root):
    """Fill the disk at each of the instants."""
    for at in instants(archive, root)[0]:
        folder = root / f"full-at-{at}"

        def work(folder=folder, at=at):
            def fill(n):
                if n >= at:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            at_each_write(folder, fill)
            with pytest.raises(OSError, match="No space left"):
                locate.ensure_store(archive, data_dir=folder)

        assert code_of(fork(work)) == 0, at


def race(archive, root):
    """Four processes that build the same at once."""
    build_store = locate.build_store

    def counted(*args, **kwargs):
        build_store(*args, **kwargs)
        with (root / "builds").open("a") as file:  # one that came too late raises before
            file.write("x")

    locate.build_store = counted
    start = time.monotonic() + 0.2

    def work():
        time.sleep(max(0, start - time.monotonic()))
        path = locate.ensure_store(archive, data_dir=root / "stores")
        (root / f"done-{os.getpid()}").write_text(path.name)

    assert [code_of(pid) for pid in [fork(work) for _ in range(4)]] == [0] * 4


if __name__ == "__main__":
    os.fsync = lambda descriptor: None  # nothing here cuts the power
    {"killed": killed, "full": full, "race": race}[sys.argv[1]](*map(Path, sys.argv[2:]))
