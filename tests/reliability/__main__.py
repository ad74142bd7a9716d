"""Attack aa1xr in the long form and write down what became of it.

Each module of SECTIONS is one family of attacks. It has `run(work, scale)`, which yields a Tally
for each of its attacks: `work` is an empty folder, and `scale` 1 the long form. The tests beside
them run the same at a small scale.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tests.benchmarks.report import commit, machine, versions
from tests.reliability.attack import HEAD, Tally

SECTIONS = (
    "archives",
    "crashes",
    "company",
    "rot",
    "resealed",
    "links",
    "endurance",
    "storage",
    "mistakes",
    "supply",
)
#: From here on, RESULTS.md is written by hand.
FAULTS = "## Faults that were found"


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
    yield "# Reliability"
    yield ""
    yield "What was tried against aa1xr, and how it ended. Repeat it with"
    yield ""
    yield f"    {_command(args)}"
    yield ""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, commit {commit()}"
    yield f"- {machine()}"
    yield f"- {versions()}"
    yield ""
    yield (
        'Each try ends with the "right data", checked against what is known to be there, or is '
        '"refused" by an error of the package that names the place and the way on. Anything else '
        "has failed."
    )
    for name in args.only:
        section = import_module(f"tests.reliability.{name}")
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
    return [f"{tally.attack}: {failure}" for failure in tally.failures]


def _command(args: argparse.Namespace) -> str:
    parts = ["python -m tests.reliability"]
    if tuple(args.only) != SECTIONS:
        parts.append(f"--only {' '.join(args.only)}")
    if args.scale != 1:
        parts.append(f"--scale {args.scale:g}")
    return " ".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--scale", type=float, default=1, help="1: the long form")
    parser.add_argument("--out", type=Path, help="write it here too, keeping the list of faults")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
