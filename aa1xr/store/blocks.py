"""The responses in blocks of neurons, parsed here or by the workers of a cluster, in order.

Whoever parses, one process writes, and what it writes is the same to the byte.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from aa1xr.archive.files import Files, identity, open_files
from aa1xr.archive.read import Archive
from aa1xr.cluster import open_client
from aa1xr.errors import ArchiveError, DataNotFoundError
from aa1xr.messages import logger
from aa1xr.printable import one_line

#: Neurons parsed at a time: about half a MiB of spikes, some 30 ms of work.
_NEURONS = 16
#: Blocks that are being parsed or wait to be written, for each worker.
_AHEAD = 3
#: From so many neurons on: a worker takes half a second for each 1000 neurons to list a zip, which
#: one process parses at 2 ms a neuron.
_WORTH_IT = 2000


@dataclass(frozen=True, eq=False)
class Block:
    """The responses of some neurons, in the order of the layout."""

    n_trials: npt.NDArray[np.int32]  #: [shape: (neurons, stimuli)]
    file_number: npt.NDArray[np.int32]  #: [shape: (neurons, stimuli)]
    row_size: npt.NDArray[np.int32]  #: spikes in each presentation that there was
    spike_time: npt.NDArray[np.int32]

    def by_neuron(self) -> Iterator[tuple[npt.NDArray[np.int32], ...]]:
        """`n_trials`, `file_number`, `row_size` and `spike_time` of one neuron after another."""
        rows = np.cumsum(self.n_trials.sum(1))
        ends = np.concatenate([[0], np.cumsum(self.row_size)])[rows]
        row_size, spike_time = (
            np.split(self.row_size, rows[:-1]),
            np.split(self.spike_time, ends[:-1]),
        )
        yield from zip(self.n_trials, self.file_number, row_size, spike_time, strict=True)


def read_block(archive: Archive) -> Block:
    """Parse the responses of all neurons of an archive, or a part of one."""
    stimuli = {sound: s for s, sound in enumerate(archive.sound_names)}
    shape = len(archive.cell_ids), len(stimuli)
    n_trials, file_number = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    sizes, times = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for n, cell in enumerate(archive.cells()):
        # In the order of the stimulus axis, which is not that of the file numbers.
        heard = {
            stimuli[recording.type, recording.sound]: recording for recording in cell.recordings
        }
        for s, recording in sorted(heard.items()):
            n_trials[n, s] = recording.counts.size
            file_number[n, s] = recording.number
            sizes.append(recording.counts)
            times.append(recording.times)
    return Block(n_trials, file_number, np.concatenate(sizes), np.concatenate(times))


@dataclass(frozen=True, eq=False)
class Workers:
    """Other processes that parse."""

    executor: Executor
    number: int


@contextmanager
def find_workers(neurons: int) -> Iterator[Workers | None]:
    """The workers of the `dask.distributed.Client` that is open, if so many neurons are worth it.

    There are none but a cluster's: where one is killed the cluster notices, while Python's own
    pools of processes wait for ever for a worker that was killed in the midst of an answer.
    """
    client = open_client() if neurons >= _WORTH_IT else None
    if client is None or not (threads := sum(client.nthreads().values())):
        yield None
        return
    try:
        with client.get_executor(pure=False) as executor:
            yield Workers(executor, threads)
    finally:
        if client.status == "running":
            client.run(close_files)


def read_blocks(archive: Archive, *, key: str, workers: Workers | None) -> Generator[Block]:
    """Parse all responses, in order; only a few blocks are in memory at a time.

    Parameters
    ----------
    key
        The archive's SHA-256, by which a worker knows that it reads the same.
    workers
        Where one dies, or does not see the archive, this process goes on alone.

    Raises
    ------
    ArchiveError
        If a file is not right; of several, for the first.
    """
    parts = [
        archive.part(slice(n, n + _NEURONS)) for n in range(0, len(archive.cell_ids), _NEURONS)
    ]
    done = 0
    if workers is not None:
        try:
            for block in _ahead(workers, parts, key):
                yield block
                done += 1
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever may befall a worker
            logger.warning(
                "%s: a worker failed (%r); this process goes on alone", archive.files.path, error
            )
    for part in parts[done:]:
        yield read_block(part)


def _ahead(workers: Workers, parts: list[Archive], key: str) -> Iterator[Block]:
    """What the workers parse, in order; they are given a few blocks more than were taken."""
    waiting: deque[Future[Block]] = deque()
    try:
        for part in parts:
            if len(waiting) == _AHEAD * workers.number:
                yield waiting.popleft().result()
            path = str(part.files.path.resolve())
            waiting.append(workers.executor.submit(_read_there, part, path, key))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _read_there(part: Archive, path: str, key: str) -> Block:
    """What a worker does."""
    with _opening:
        _, part.files = _opened(path, key)
    return read_block(part)


_opening = threading.Lock()


@lru_cache(maxsize=1)
def _opened(path: str, key: str) -> tuple[object, Files]:
    """The archive's files, opened once in a worker, since listing a large zip takes seconds.

    What comes with them keeps them open.
    """
    if identity(path) != key:
        raise DataNotFoundError(
            f"{one_line(path)}: for this worker, not the archive that is being built"
        )
    opened = open_files(path)
    return opened, opened.__enter__()


def close_files() -> None:
    """Let go of what this process opened as a worker."""
    _opened.cache_clear()
