"""Against what no code could beat: a bare `bincount`, and a bare read of the bytes."""

from collections.abc import Iterator

from benchmarks import suite
from benchmarks.archives import Source
from benchmarks.measure import alternated, ready
from benchmarks.report import Row, seconds, times


def rows(aa1: Source, runs: int) -> Iterator[Row]:
    files = f"{len(aa1.files())} files, {aa1.size() / 1e6:.1f} MB"
    with ready(suite.LowerBound, {"AA1": aa1}, "AA1") as method:
        for what, bare, most in (
            ("bincount of event times in memory", "time_bincount", 5),
            ("bincount alone, every event's place known", "time_bincount_alone", None),
            (f"read of the store's {files}", "time_read", None),
        ):
            ideal, real, ratio = alternated(method(bare), method("time_psth"), runs)
            yield Row(
                f"PSTH of all neurons at 5 ms / {what}",
                (seconds(real), seconds(ideal), times(ratio)),
                method("track_tasks")(),
                *((f"≤ {most} times", ratio <= most) if most else ()),
            )
