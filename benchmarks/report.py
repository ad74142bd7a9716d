"""Tables in Markdown, and what a figure is worth: the machine, its load, the versions."""

import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path

from benchmarks.stages import clock

PACKAGES = ("aa1xr", "xarray", "zarr", "dask", "distributed", "numpy", "scipy", "librosa")


@dataclass(frozen=True)
class Row:
    what: str
    values: tuple[str, ...]
    tasks: int | str | None = None
    target: str = ""
    met: bool | None = None  #: None where there is no target, or not at this size

    def line(self) -> str:
        verdict = {None: "", True: "yes", False: "**missed**"}[self.met]
        tasks = f"{self.tasks:,}" if isinstance(self.tasks, int) else self.tasks or ""
        return _line(self.what, *self.values, tasks, self.target, verdict)


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: Iterable[Row]
    notes: str = ""

    def head(self) -> list[str]:
        columns = ("what", *self.columns, "tasks in the graph", "target", "met")
        return [f"## {self.title}", "", _line(*columns), "|---" * len(columns) + "|"]


def at_most(what: str, limit: float, show, value: float, tasks: int | str | None = None) -> Row:
    return Row(what, (show(value),), tasks, f"≤ {show(limit)}", value <= limit)


def seconds(value: float) -> str:
    if value < 0.0995:
        return f"{1000 * value:.1f} ms"
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.2f} s"


def precise(value: float) -> str:
    return f"{1000 * value:.2f} ms"


def mib(value: float) -> str:
    return f"{value:,.0f} MiB"


def times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.2f}"


def machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    return (
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB of "
        f"memory, {platform.system()}; Python {platform.python_version()}"
    )


def load() -> str:
    return ", ".join(f"{value:.2f}" for value in os.getloadavg())


def versions() -> str:
    installed = {d.name for d in distributions()}
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES if name in installed)


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        check=False,
        text=True,
    )
    return done.stdout.strip() or "not a git checkout"


def preface(command: str, runs: int) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Repeat them with"
    yield ""
    yield f"    {command}"
    yield ""
    yield (
        'as CONTRIBUTING.md says under "Benchmarks". A figure is the median of '
        f"{runs} runs, and a ratio the median of the ratios of runs made in turn, unless the "
        "notes say otherwise. Times begin with all files in the cache of the file system."
    )
    yield ""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, commit {commit()}"
    yield f"- {machine()}"
    yield f"- {versions()}"
    if clock is not time.perf_counter:
        yield "- times are processor time of each process, since the machine was busy"
    yield f"- load of the machine before (1, 5, 15 min): {load()}"
    yield ""


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
