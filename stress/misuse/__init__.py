"""Users' mistakes: refused with the argument and the way on, or no mistake at all.

Every public function is called with what people type by mistake. What it says must match, it must
be an error that the package chose to raise (or that Python's own check of the signature did), and
nothing is written, warned of or left to a library far below. Where the unusual is no mistake, the
result must be right.
"""

import contextlib
import re
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import dask

import aa1xr
from stress.misuse import (
    benchmark,
    command_line,
    datasets,
    export,
    opening,
    options,
    plots,
    predictions,
    values,
)
from stress.misuse.case import Case, Inputs
from stress.tally import Tally, tally

PACKAGE = str(Path(aa1xr.__file__).parent)

#: What the table has, by part.
PARTS = {
    "values": values.rows,
    "Datasets": datasets.rows,
    "options": options.rows,
    "predictions": predictions.rows,
    "opening": opening.rows,
    "pictures": plots.rows,
    "exports": export.rows,
    "benchmarks": benchmark.rows,
    "commands": command_line.rows,
}
SLOW = {"Datasets", "exports"}


def table() -> dict[str, list[Case]]:
    return {part: list(rows()) for part, rows in PARTS.items()}


def run(work: Path, scale: float) -> Iterator[Tally]:
    """Try all cases; in the short form, every third of those that take the most time."""
    things = Inputs(work)
    for part, cases in table().items():
        rows = cases[::3] if scale < 1 and part in SLOW else cases
        with tally(f"{part}: {len({row.name for row in rows})} functions") as counted:
            for row in rows:
                if failure := attempt(row, things):
                    counted.failures.append(f"{row.name}, {row.mistake}: {failure}")
                elif row.right is None:
                    counted.refused += 1
                else:
                    counted.right += 1
        yield counted


def attempt(row: Case, things: Inputs) -> str:
    """What is wrong with how a mistake ended; "" if nothing is."""
    try:
        with warnings.catch_warnings(), contextlib.ExitStack() as stack:
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", aa1xr.AA1Warning)  # a result is as documented
            # Threads cost more than they save on so little.
            stack.enter_context(dask.config.set(scheduler="synchronous"))
            stack.callback(_close_figures)
            result = row.call(things)
            if row.right is not None:
                return "" if row.right(things, result) else "the result is not right"
    except Exception as error:  # noqa: BLE001 - any is a finding
        return _refusal(row, error)
    return "it was accepted in silence"


def _refusal(row: Case, error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = f"{type(error).__name__} from {Path(place.filename).name}:{place.lineno}: {text}"
    if row.right is not None:
        return f"expected a result, got {said}"
    if not isinstance(error, row.error):
        return f"expected {row.error}, got {said}"
    if not re.search(row.says, text):
        return f"expected to read {row.says!r}, got {said}"
    if not row.elsewhere and not place.filename.startswith(PACKAGE):
        return f"the package let it through to a library: {said}"
    return ""


def _close_figures() -> None:
    import matplotlib.pyplot as plt

    plt.close("all")
