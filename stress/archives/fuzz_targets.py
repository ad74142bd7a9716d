"""What atheris is let loose on: each says whether the data were read, and fails if not rightly."""

import hashlib
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from aa1xr.archive.files import open_files
from aa1xr.archive.parse import parse_spikes, parse_stim, parse_wav
from aa1xr.archive.read import Archive
from aa1xr.errors import ArchiveError
from stress.archives import reference_reader as oracle
from tests.archive.read_all import FakeFiles

_PATH = Path(tempfile.gettempdir()) / "try.zip"


def spikes(data: bytes) -> bool:
    def read() -> list[list[int]]:
        found, counts = parse_spikes(data, "a/file")
        return [part.tolist() for part in np.split(found, np.cumsum(counts)[:-1])]

    return _held(read, oracle.spikes, data)


def stim(data: bytes) -> bool:
    return _held(lambda: parse_stim(data, "a/file"), oracle.stim, data)


def wav(data: bytes) -> bool:
    name = f"{hashlib.md5(data).hexdigest()}.wav"
    try:
        found = parse_wav(data, "flatrip", name, "a/file")
    except ArchiveError:
        return False
    if (found.sample_rate, found.samples.tolist()) != oracle.wav(data):
        raise AssertionError("another sound")
    return True


def zipped(data: bytes) -> bool:
    """Nothing is known of what is in it, so any end but another error is a good one."""
    _PATH.write_bytes(data)
    try:
        with open_files(_PATH) as files:
            for name in files.names:
                files.read(name)
            with suppress(ArchiveError):
                list(Archive(files).cells())
    except ArchiveError:
        return False
    return True


def simulation(data: bytes) -> bool:
    def read() -> None:
        try:
            Archive(FakeFiles({"simulation.json": data}))
        except ArchiveError as error:
            if "empty archive" not in str(error):
                raise

    return _held(read, oracle.simulation, data)


def _held(read: Callable[[], Any], right: Callable[[bytes], Any], data: bytes) -> bool:
    """Hold what is read against the oracle, both ways."""
    found, expected = oracle.Refused, oracle.Refused
    with suppress(ArchiveError):
        found = read()
    with suppress(oracle.Refused):
        expected = right(data)
    if found != expected:
        raise AssertionError(f"wrong data: {found!r:.200} for {expected!r:.200}")
    return found is not oracle.Refused
