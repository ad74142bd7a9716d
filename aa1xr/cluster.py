"""The dask cluster that is in use, if one is, and whether it can compute what we send."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from operator import truth
from threading import Event, Lock, Thread
from typing import Any

import dask

from aa1xr.version import VERSION


def open_client() -> Any | None:
    """The `dask.distributed.Client` of this process: a library that is not loaded has none."""
    distributed: Any = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


class _Shared:
    """A setting of the whole process, for as long as any thread is inside.

    A context manager that each thread enters by itself would not do: of two threads that use it at
    the same time, the second one would leave behind what the first one set.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._inside = 0
        self._changed = ExitStack()
        self._changing = Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._changing:
            if not self._inside:
                self._changed.enter_context(self._make())
            self._inside += 1
        try:
            yield
        finally:
            with self._changing:
                self._inside -= 1
                if not self._inside:
                    self._changed.close()


#: Compute in threads of this process, even on a worker of a cluster that has other work.
own_threads = _Shared(lambda: dask.config.set(scheduler="threads"))


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Held by a thread of its own: threadpoolctl wants one thread to set a limit and to lift it."""
    from threadpoolctl import threadpool_limits

    entered, leave = Event(), Event()

    def hold() -> None:
        with threadpool_limits(1, "blas"):
            entered.set()
            leave.wait()

    holder = Thread(target=hold, daemon=True)
    holder.start()
    entered.wait()
    try:
        yield
    finally:
        leave.set()
        holder.join()


#: Linear algebra in the thread that calls it. dask has as many threads as there are cores; those
#: that BLAS starts beside them make all of them wait. Sums are then in one order everywhere.
one_blas_thread = _Shared(_one_blas_thread)


def require_workers(client: Any, *, seconds: float) -> None:
    """Check that a cluster has workers, and that these and its scheduler have this aa1xr.

    dask itself would wait for the first worker without end, and compares versions of other
    packages only.
    """
    address = client.scheduler.address
    # A cluster that adapts starts workers for a task, whatever it is.
    task = client.submit(truth, 1, pure=False)
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError:
        raise ValueError(
            f"the dask cluster at {address} has no workers after {seconds:g} s. Start some (dask "
            f"worker {address}, or cluster.scale(2)), or wait longer for a queue: --wait"
        ) from None
    finally:
        task.release()

    def find() -> str:
        # As a nested function it is sent as its code: by its name it would need aa1xr there.
        from importlib import import_module

        try:
            there: str = import_module("aa1xr").__version__
        except Exception as error:  # noqa: BLE001 - whatever stops the import
            return f"cannot import it ({type(error).__name__}: {error})"
        return there

    found: Mapping[str, str] = client.run(find)
    scheduler = client.run_on_scheduler(find)
    for place, there in [*found.items(), (f"the scheduler {address}", scheduler)]:
        if there != VERSION:
            raise ValueError(
                f"this process has aa1xr {VERSION}; {place} {'has ' * there[0].isdigit()}{there}. "
                f"Install aa1xr {VERSION} on the scheduler and all workers, and start them again"
            )
