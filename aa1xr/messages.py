"""Warnings about results, shown at the line of the user that asked for the result.

A lazy result is computed later than it is asked for, in a thread of dask or on a worker of a
cluster. A function of this package therefore takes its `call_site` when it is called, and hands
it to its tasks, which `warn` for it.
"""

from __future__ import annotations

import inspect
import logging
import re
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from aa1xr import printable
from aa1xr.errors import AA1Warning

#: For each file of a user, the module's own registry of warnings, and what was said there.
_SAID: dict[str, tuple[Any, set[tuple[int, str]]]] = {}
_LOCK = threading.Lock()
#: Its pages show what a warning would say, and its threads have no line of a user.
_SHOWS_NAN = "aa1xr.explorer."
#: Neurons that a message names; it counts the others.
_NAMED = 10


#: What NumPy says of cells without data, when dask computes what xarray would compute silently.
_OF_MISSING = [
    ("ignore", re.compile(text, re.IGNORECASE), RuntimeWarning, re.compile(r"dask\."), 0)
    for text in (r"(invalid value|divide by zero) encountered in divide", r"All-NaN slice")
]


def _escape(record: logging.LogRecord) -> bool:
    """Show paths, names and errors on one line, escaped, whichever handlers there are."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            each if isinstance(each, int | float) else printable.one_line(each)
            for each in record.args
        )
    return True


#: The one logger of this package.
logger = logging.getLogger("aa1xr")
logger.addFilter(_escape)


class CallSite(NamedTuple):
    """A line of a program."""

    filename: str
    lineno: int
    module: str


def call_site() -> CallSite:
    """Find the line of the user from which a function of this package was called."""
    frame: Any = inspect.currentframe()
    between = {"aa1xr", "xarray"}  # xarray calls the engine
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in between:
        if frame.f_globals["__name__"].startswith(_SHOWS_NAN):
            break
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "__main__")
    return CallSite(frame.f_code.co_filename, frame.f_lineno, name)


def warn(message: str, category: type[AA1Warning], site: CallSite | None = None) -> None:
    """Warn at a call site, from any thread; on a worker of dask.distributed, also the client.

    Python's filters decide what happens: by default a message is shown once for each line of
    the user's program.
    """
    message = printable.message(message)
    if _on_worker():
        from distributed import warn as warn_client

        # The client shows it under its own filters; it does not know the call site.
        warn_client(message, category)
        return
    site = call_site() if site is None else site
    if site.module.startswith(_SHOWS_NAN):
        return
    with _LOCK:  # two tasks with one message
        if _once(message, category, site):
            said = _said(site)
            if (site.lineno, message) in said:
                return
            said.add((site.lineno, message))
        warnings.warn_explicit(message, category, site.filename, site.lineno, site.module, {})


def expect_missing() -> None:
    """Let a process compute as silently with dask as xarray does in memory.

    xarray ignores 0/0 in memory, as in the variance of a neuron without data. With dask, the same
    happens later, in threads or workers that xarray does not reach. So whatever reads data there
    calls this. The filters come after all others: those of the user decide.
    """
    filters: Any = warnings.filters
    with _LOCK:
        for each in _OF_MISSING:
            if each not in filters:
                _, text, category, module, _ = each
                warnings.filterwarnings(
                    "ignore", text.pattern, category, module.pattern, append=True
                )


def _once(message: str, category: type[Warning], site: CallSite) -> bool:
    """Whether the filters want this once for each line, as they do by default."""
    for action, text, kind, module, lineno in warnings.filters:
        if (
            (text is None or text.match(message))
            and issubclass(category, kind)
            and (module is None or module.match(site.module))
            and lineno in (0, site.lineno)
        ):
            return action not in ("always", "all", "error", "ignore")
    return True


def _said(site: CallSite) -> set[tuple[int, str]]:
    """What was said in a file.

    Python's own registry forgets all whenever anybody enters `warnings.catch_warnings`, and dask
    does whenever it makes an array. A new registry means a new start: IPython makes one for
    each cell that runs.
    """
    module = sys.modules.get(site.module)
    registry = None
    if module is not None and site.module == "__main__":
        registry = vars(module).setdefault("__warningregistry__", {})
    known, said = _SAID.get(site.filename, (None, set()))
    if known is not registry:
        said = set()
    _SAID[site.filename] = registry, said
    return said


def _on_worker() -> bool:
    if "distributed.worker" not in sys.modules:
        return False
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


def count_names(names: Sequence[Any], noun: str = "neuron") -> str:
    """Count and name some of `noun`.

    >>> count_names(["b1", "b2"])
    "2 neurons ('b1', 'b2')"
    """
    shown = [repr(str(name)) for name in names[:_NAMED]]
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return f"{len(names)} {noun}{'s' * (len(names) != 1)} ({', '.join(shown + more)})"
