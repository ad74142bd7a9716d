"""`python -m tests.benchmarks ARCHIVE`: one Markdown table of times, memory and graph sizes.

Each row is run in a process of its own where imports or memory matter. Figures are medians; the
load of the machine is printed above them, and a run on a busy machine counts for nothing.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

IMPORTS = "import xarray, zarr, dask.array"

PSTH_OF_ALL = """
import aa1xr
aa1xr.open({store!r}, dt_ms=5).psth.compute()
"""

#: Peak memory above the imports, in MiB (Linux). Each block is reduced, as a user of it would.
MEMORY = r"""
import re, dask.array, xarray, zarr, aa1xr
def peak():  # of this process alone: ru_maxrss would begin with that of the parent
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024
before = peak()
ds = aa1xr.open({store!r}, dt_ms=1)
ds.spikes.sum().compute()
print(peak() - before)
"""


def process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout


def timed(function, runs: int) -> list[float]:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def paired(a, b, runs: int) -> tuple[float, float, float]:
    """Medians of two functions run in turn, and of their ratio pair by pair."""
    a(), b()
    pairs = [(timed(a, 1)[0], timed(b, 1)[0]) for _ in range(runs)]
    firsts, seconds = zip(*pairs, strict=True)
    ratio = statistics.median(first / second for first, second in pairs)
    return statistics.median(firsts), statistics.median(seconds), ratio


def rows(archive: Path, runs: int):
    import aa1xr
    from aa1xr.store.locate import find_store

    def ms(seconds):
        return f"{1000 * statistics.median(seconds):.1f} ms"

    def build():
        with tempfile.TemporaryDirectory() as folder:
            find_store(archive, data_dir=Path(folder), progress=False)

    build()
    yield "cold build, zip to store (no spectrogram)", ms(timed(build, runs)), "1,500 ms"

    with tempfile.TemporaryDirectory() as folder:
        store = find_store(archive, data_dir=Path(folder), progress=False).url
        for name, source in (("zip", archive), ("store", store)):
            aa1xr.open(source, data_dir=folder)
            opened = timed(lambda source=source: aa1xr.open(source, data_dir=folder), 5 * runs)
            yield f"warm open at 5 ms, of the {name}", ms(opened), "60 ms"
        for dt_ms in (5, 1):
            tasks = len(aa1xr.open(store, dt_ms=dt_ms).__dask_graph__())
            yield f"tasks in the graph at {dt_ms} ms", str(tasks), "1,000"

        ds = aa1xr.open(store, dt_ms=5)
        yield "PSTH of all cells, 5 ms", ms(timed(ds.psth.compute, runs)), "100 ms"
        yield "spikes of all cells, 5 ms", ms(timed(ds.spikes.compute, runs)), "1,000 ms"
        measured = timed(lambda: aa1xr.quality(ds).compute(), runs)
        yield "quality of all cells, 5 ms, all half splits", ms(measured), "2,000 ms"
        scored = timed(lambda: aa1xr.score(ds.psth, ds).compute(), runs)
        yield "scores of a prediction for all cells, 5 ms", ms(scored), "500 ms"
        plain = aa1xr.open(store, dt_ms=5, chunks=None)
        cell, sound = ds.neuron.values[0], ds.stimulus.values[3]

        def one():
            plain.spikes.sel(neuron=cell, stimulus=sound).compute()

        one()
        yield "one response of one cell, no dask", ms(timed(one, 5 * runs)), "5 ms"
        memory = statistics.median(float(process(MEMORY.format(store=store))) for _ in range(3))
        yield "peak memory of a pass over all spikes, 1 ms", f"{memory:.0f} MiB", "400 MB"

        ours, theirs, ratio = paired(
            lambda: process("import aa1xr"), lambda: process(IMPORTS), runs
        )
        yield (
            f"import aa1xr / {IMPORTS}",
            f"{ours:.2f} s / {theirs:.2f} s = {ratio:.2f}",
            "1.3",
        )
        ours, theirs, ratio = paired(
            lambda: process(PSTH_OF_ALL.format(store=store)), lambda: process(IMPORTS), runs
        )
        yield (
            f"process: import, warm open, PSTH of all cells / {IMPORTS}",
            f"{ours:.2f} s / {theirs:.2f} s = {ratio:.2f}",
            "1.3",
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("archive", type=Path, help="crcns-aa1.zip, or a simulated archive")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("xarray", "zarr", "dask", "numpy"))
    print(f"Python {platform.python_version()}, {versions}; {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.2f}; medians of {args.runs} runs.\n")
    print("| what | measured | at most |\n|---|---|---|")
    for what, measured, bound in rows(args.archive, args.runs):
        print(f"| {what} | {measured} | {bound} |", flush=True)


if __name__ == "__main__":
    main()
