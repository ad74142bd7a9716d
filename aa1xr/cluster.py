"""The dask cluster that is in use, if one is, and whether it can compute what we send."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from operator import truth
from typing import Any


def open_client() -> Any | None:
    """The `dask.distributed.Client` of this process: a library that is not loaded has none."""
    distributed: Any = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def require_workers(client: Any, *, seconds: float) -> None:
    """Check that a cluster has workers, and that these and its scheduler have this aa1xr.

    dask itself would wait for workers without end, and compares versions of other packages only.

    Parameters
    ----------
    client
        A `dask.distributed.Client`.
    seconds
        How long to wait for the first worker.

    Raises
    ------
    ValueError
        If there is none, or one that cannot import aa1xr, or has another version.
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
        try:
            import aa1xr
        except Exception as error:  # noqa: BLE001 - whatever stops the import
            return f"cannot import it ({type(error).__name__}: {error})"
        return aa1xr.__version__

    found: Mapping[str, str] = client.run(find)
    scheduler = client.run_on_scheduler(find)
    ours = version("aa1xr")
    for place, there in [*found.items(), (f"the scheduler {address}", scheduler)]:
        if there != ours:
            raise ValueError(
                f"this process has aa1xr {ours}; {place} {'has ' * there[0].isdigit()}{there}. "
                f"Install aa1xr {ours} on the scheduler and all workers, and start them again"
            )
