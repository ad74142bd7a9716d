"""Measure aa1xr: by itself, beside its peer, against the limit, and as the data grows.

Prints tables in Markdown as they are measured. A run on a busy machine counts for nothing; the
load before and after is printed.
"""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks import archives, growth, limits, operations, peer
from benchmarks.report import Table, load, preface

SECTIONS = ("peer", "limits", "growth", "operations")


def main() -> None:
    args = _arguments()
    with contextlib.ExitStack() as stack:
        work = args.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lines = []
        for line in report(args, work):
            print(line, flush=True)
            lines.append(line)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


def report(args: argparse.Namespace, work: Path) -> Iterator[str]:
    yield from preface(_command(args), args.runs)
    missed = []
    for table in tables(args, work):
        yield from table.head()
        for row in table.rows:
            yield row.line()
            if row.met is False:
                missed.append(f"{row.what} ({table.title})")
        yield ""
        if table.notes:
            yield table.notes
            yield ""
    yield f"Load of the machine after: {load()}."
    yield ""
    yield f"Targets missed: {'; '.join(missed) or 'none'}."


def tables(args: argparse.Namespace, work: Path) -> Iterator[Table]:
    aa1 = archives.prepare(args.archive, work / "aa1")
    if "peer" in args.only and args.peer_python:
        notes = f"{peer.NOTES}\n- {peer.peer_versions(args.peer_python)}"
        measured = peer.rows(aa1.archive, aa1.store, args.peer_python, args.runs)
        yield Table("Beside deepSTRF", ("aa1xr", "deepSTRF", "deepSTRF / aa1xr"), measured, notes)
    if "limits" in args.only:
        columns = ("aa1xr", "lower bound", "aa1xr / lower bound")
        yield Table("Against the lower bound", columns, limits.rows(aa1, args.runs))
    if "growth" in args.only:
        columns = tuple(f"{n:,} neurons" for n in args.scale)
        sources = archives.grow(archives.simulate(work), args.scale)
        measured = growth.rows(sources, args.runs)
        yield Table("How cost grows", columns, measured, growth.NOTES)
    if "operations" in args.only:
        measured = operations.rows(aa1, args.runs)
        yield Table("Each operation on AA1", ("measured",), measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("archive", type=Path, help="crcns-aa1.zip, or a simulated archive")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--scale", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument(
        "--peer-python", help="of an environment that has deepSTRF; without, the peer is left out"
    )
    parser.add_argument("--work", type=Path, help="keep archives and stores here")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--out", type=Path, help="write the tables here too")
    args = parser.parse_args()
    args.archive, args.scale = args.archive.absolute(), sorted(args.scale)
    if args.work:
        args.work = args.work.absolute()
    if "growth" in args.only and find_spec("distributed") is None:
        parser.error("growth needs dask.distributed; install it, or leave growth out with --only")
    return args


def _command(args: argparse.Namespace) -> str:
    """The command without the paths of this machine."""
    parts = ["python -m benchmarks path/to/crcns-aa1.zip"]
    if args.peer_python:
        parts.append("--peer-python path/to/peer/bin/python")
    if set(args.only) != set(SECTIONS):
        parts.append(f"--only {' '.join(args.only)}")
    parts.append(f"--runs {args.runs} --scale {' '.join(map(str, args.scale))}")
    return " ".join(parts)


if __name__ == "__main__":
    main()
