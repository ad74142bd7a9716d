"""Processes that come to grief, forked from one that has imported everything and done nothing.

So a try costs no imports, and no thread is forked. A stress test's module is run as a script of its
own for that, which says on standard output what became of each.
"""

import contextlib
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aa1xr import ArchiveError, DataNotFoundError, DownloadError, StoreError
from stress.tally import Tally

OWN = (ArchiveError, DataNotFoundError, DownloadError, StoreError, OSError)


def apart(module: str, work: Path, scale: float) -> Iterator[Tally]:
    """The tallies of a module that is run as a script: `main` below."""
    command = [sys.executable, "-W", "error", "-m", module, str(work), str(scale)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            yield Tally(**json.loads(line))
    assert process.returncode == 0, f"{module} ended with {process.returncode}"


def main(tallies: Callable[[Path, float], Iterator[Tally]]) -> None:
    work, scale = Path(sys.argv[1]), float(sys.argv[2])
    for tally in tallies(work, scale):
        print(json.dumps(asdict(tally)), flush=True)


@dataclass
class End:
    """How a process ended."""

    value: Any = None
    refused: str = ""  #: the text of the package's own error, or of one of the system
    failed: str = ""  #: the traceback of any other; "killed"

    def right(self, value: Any) -> bool:
        return not self.refused and not self.failed and self.value == value


class Child:
    """Some work in a fork of this process."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._answer, out = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(out)
            return
        try:
            os.write(out, json.dumps(asdict(_end(work)), default=str).encode())
        finally:
            os._exit(0)

    def end(self) -> End:
        """Wait for it."""
        with os.fdopen(self._answer, "rb") as file:
            answer = file.read()
        os.waitpid(self.pid, 0)
        return End(**json.loads(answer)) if answer else End(failed="killed")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _end(work: Callable[[], Any]) -> End:
    try:
        return End(value=work())
    except OWN as error:
        return End(refused=f"{type(error).__name__}: {error}")
    except BaseException:  # noqa: BLE001 - whatever it is, it is told
        return End(failed=traceback.format_exc()[-2000:])


def done(work: Callable[[], Any]) -> End:
    """Do some work in a fork, and say how it ended."""
    return Child(work).end()


def import_what(work: Callable[[], Any]) -> None:
    """Import what some work imports in a fork, so that the other forks need not."""
    here = set(sys.modules)
    for name in done(lambda: (work(), sorted(set(sys.modules) - here))[1]).value:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@contextmanager
def killing(
    busy: Callable[[], Collection[Any]],
    kill: Callable[[Any], Any],
    rng: random.Random,
    *,
    most: int,
    first_s: float,
) -> Iterator[list[Any]]:
    """Kill what is busy, one after another, each when it has been so a while: those that were.

    The first within `first_s`, and `most` in all, while it lasts.
    """
    dead: list[Any] = []
    over = threading.Event()

    def work() -> None:
        patience = rng.uniform(0, first_s)
        while len(dead) < most and not over.wait(0.02):
            if found := sorted(set(busy()).difference(dead)):
                if over.wait(patience):
                    return
                dead.append(rng.choice(found))
                kill(dead[-1])
                patience = rng.uniform(0, 2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield dead
    finally:
        over.set()
        thread.join()


def duration(work: Callable[[], Any]) -> float:
    """How long it takes in a fork."""
    start = time.monotonic()
    end = done(work)
    assert not end.failed, end.failed
    assert not end.refused, end.refused
    return time.monotonic() - start


def killed_after(seconds: float, work: Callable[[], Any]) -> End:
    """Do some work in a fork, and kill it after that time unless it has ended."""
    child = Child(work)
    time.sleep(seconds)
    child.kill()
    return child.end()


def moments(name: str, n: int, longest: float) -> list[float]:
    """Random moments within a time, the same for the same name; a fifth are of its last tenth."""
    rng = random.Random(name)
    return [
        rng.uniform(0.9 * longest, 1.1 * longest) if k % 5 == 4 else rng.uniform(0, longest)
        for k in range(n)
    ]
