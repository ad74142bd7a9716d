"""Inputs that atheris finds by what code they reach; each is held against the oracle.

One target by hand, with what libFuzzer takes, after a file for the count of what was refused:
`python -m stress.archives.coverage_guided spikes /dev/null corpus -runs=1000 -seed=1`
"""

import importlib.util
import os
import random
import re
import subprocess
import sys
from pathlib import Path

from stress.tally import Tally, tally, times

#: An interpreter that has atheris and aa1xr; this one, if none is named.
_PYTHON = os.environ.get("AA1XR_ATHERIS_PYTHON") or sys.executable

#: What is tried, and how often in the long form.
_RUNS = {"spikes": 200_000, "stim": 50_000, "wav": 100_000, "zipped": 40_000, "simulation": 50_000}


def guided(work: Path, scale: float) -> Tally:
    """All of them, each in a process of its own."""
    with tally("parsers and zips, guided by coverage (atheris)") as counted:
        if sys.executable == _PYTHON and importlib.util.find_spec("atheris") is None:
            counted.figures = "skipped: atheris is not installed"
            return counted
        figures = []
        for target, runs in _RUNS.items():
            _guided(work, target, times(runs, scale), counted, figures)
        counted.figures = "; ".join(figures)
    return counted


def _guided(work: Path, target: str, runs: int, counted: Tally, figures: list[str]) -> None:
    corpus = work / f"corpus-{target}"
    corpus.mkdir()
    for number, seed in enumerate(_seeds(target)):
        (corpus / str(number)).write_bytes(seed)
    counter = work / f"refused-{target}"
    counter.write_text("0")
    command = [_PYTHON, "-m", __name__, target, str(counter), str(corpus)]
    limits = [f"-runs={runs}", "-seed=1", "-timeout=20", "-rss_limit_mb=2048", "-max_len=4096"]
    done = subprocess.run(
        [*command, *limits, f"-artifact_prefix={work}/{target}-"],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(work)},
        check=False,
    )
    if match := re.search(r"Done (\d+) runs", done.stderr):
        refused = int(counter.read_text())
        counted.right += int(match[1]) - refused
        counted.refused += refused
        reached = re.findall(r"cov: (\d+)", done.stderr)
        figures.append(f"{target} {int(match[1]):,}, {reached[-1] if reached else 0} edges")
    if done.returncode or not match:
        why = re.findall(r"^.*(?:Error|Exception|ERROR).*$", done.stderr, re.MULTILINE)
        found = [path.read_bytes()[:200] for path in work.glob(f"{target}-*")]
        counted.failures.append(f"{target}: {' / '.join(why)[:600]} on {found}")


def _seeds(target: str) -> list[bytes]:
    # Not before: atheris must see what it is to be guided by imported.
    from aa1xr.archive.write import wav_bytes
    from stress.archives import mutations as noise

    rng = random.Random(0)
    if target == "spikes":
        return [noise.spike_file(rng) for _ in range(10)] + [
            token + b"\n" for token in noise.TOKENS
        ]
    if target == "stim":
        return [f"{sound.name}\n".encode() for sound in noise.SOUNDS]
    if target == "wav":
        return [wav_bytes(sound.samples[:9], 32000) for sound in noise.SOUNDS]
    if target == "simulation":
        return list(noise.JSON)
    return [noise.pack(rng, dict(list(noise.plain(rng).items())[3:])) for _ in range(10)]


# What runs under atheris.


def _main() -> None:
    import atheris

    with atheris.instrument_imports(
        include=["aa1xr.archive", "aa1xr.schema", "zipfile", "wave", "json", "tests"]
    ):
        from stress.archives import fuzz_targets
    target = getattr(fuzz_targets, sys.argv.pop(1))
    counter = os.open(sys.argv.pop(1), os.O_CREAT | os.O_WRONLY)
    refused = 0

    def try_one(data: bytes) -> None:
        nonlocal refused
        if not target(data):
            refused += 1
            os.pwrite(counter, b"%d" % refused, 0)  # libFuzzer ends the process when it likes

    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    _main()
