"""Run the stress tests of aa1xr at full length, and print a table of the results.

Each module of SECTIONS is one family of stress tests. Its `run(work, scale)` yields a Tally for
each test: `work` is an empty folder, and `scale` 1 is full length. `tests/stress` runs the same at
a small scale.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from benchmarks.report import commit, machine, versions
from stress.tally import HEAD, Tally

SECTIONS = (
    "bad_archives",
    "killed_processes",
    "concurrency",
    "corruption",
    "forged_stores",
    "links_and_pipes",
    "soak",
    "faulty_storage",
    "misuse",
    "packaging",
    "slurm",
)
#: From here on, RESULTS.md is written by hand.
FAULTS = "## Faults found"


def main() -> int:
    args = _arguments()
    failures: list[str] = []
    lines = []
    for line in report(args, failures):
        print(line, flush=True)
        lines.append(line)
    if args.out:
        by_hand = (
            args.out.read_text().partition(FAULTS)[1:] if args.out.exists() else (FAULTS, "\n")
        )
        args.out.write_text("\n".join(lines) + "\n\n" + "".join(by_hand))
    return 1 if failures else 0


def report(args: argparse.Namespace, failures: list[str]) -> Iterator[str]:
    yield "# Stress tests"
    yield ""
    yield "The stress tests of aa1xr and their results. Repeat them with"
    yield ""
    yield f"    {_command(args)}"
    yield ""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, commit {commit()}"
    yield f"- {machine()}"
    yield f"- {versions()}"
    yield ""
    yield (
        'Each try ends with the "right data", compared with the known contents, or is "refused" '
        "by an error of the package that names the place and the next step. Anything else is a "
        "failure."
    )
    for name in args.only:
        section = import_module(f"stress.{name}")
        yield from ("", f"## {section.__doc__.splitlines()[0]}", "", HEAD)
        work = Path(tempfile.mkdtemp(prefix=f"aa1xr-{name}-"))
        try:
            for tally in section.run(work, args.scale):
                yield tally.line()
                failures += _failed(tally)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    yield ""
    yield f"Failed: {len(failures) or 'none'}."
    yield from (f"- {failure}" for failure in failures)


def _failed(tally: Tally) -> list[str]:
    return [f"{tally.test}: {failure}" for failure in tally.failures]


def _command(args: argparse.Namespace) -> str:
    parts = ["python -m stress"]
    if tuple(args.only) != SECTIONS:
        parts.append(f"--only {' '.join(args.only)}")
    if args.scale != 1:
        parts.append(f"--scale {args.scale:g}")
    return " ".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stress", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--scale", type=float, default=1, help="1: full length")
    parser.add_argument("--out", type=Path, help="write it here too, keeping the list of faults")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
