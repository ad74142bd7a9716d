"""Small archives that pass for recorded ones, and reading one in plain Python."""

import json
import re
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from aa1xr.archive.read import Cell, Recording
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.store import locate

# In the order of the stimulus axis, in which no cell below heard them.
SONGS = sorted(
    (
        make_sound("conspecific", np.arange(first, first + 300, dtype=np.int16), 32000)
        for first in (0, 1000)
    ),
    key=lambda sound: sound.name,
)
RIPPLE = make_sound("flatrip", np.arange(-400, 400, dtype=np.int16), 32000)
SOUNDS = [*SONGS, RIPPLE]


def recording(number, sound, trials):
    times = np.array([time for trial in trials for time in trial], np.int32)
    return Recording(number, sound.type, sound.name, times, np.array([*map(len, trials)], np.int32))


def cells(shift=0):
    """Unequal numbers of trials, empty ones, missing sounds; `shift` makes them others."""
    first = [[-5000, 1 + shift, 2000], [], [7]]
    yield Cell("a1_2_A", "MLd", [recording(1, SONGS[1], first), recording(2, SONGS[0], [[], [5]])])
    yield Cell("a1_2_B", "Field_L", [recording(4, RIPPLE, [[], [], [], [2_000_000_000]])])
    yield Cell("a1_10_A", "MLd", [recording(1, sound, [[3, 3, 3]]) for sound in (RIPPLE, SONGS[1])])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small archive and its store, of which each test has its own copies."""
    folder = tmp_path_factory.mktemp("built")
    archive = write_archive(folder / "cells.zip", SOUNDS, cells())
    return archive, locate.ensure_store(archive, data_dir=folder)


@pytest.fixture
def archive(built: tuple[Path, Path], tmp_path: Path) -> Path:
    """A small archive as a zip."""
    (tmp_path / "archives").mkdir()
    return Path(shutil.copy(built[0], tmp_path / "archives"))


@pytest.fixture
def store(built: tuple[Path, Path], tmp_path: Path) -> Path:
    """Its store, to be damaged."""
    return shutil.copytree(built[1], tmp_path / "stores" / built[1].name)


def contents(folder: Path) -> dict[str, object]:
    """What is in a store, by name; metadata as they read, since their order says nothing."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found[path.relative_to(folder).as_posix()] = (
                json.loads(data) if path.suffix == ".json" else data
            )
    return found


def plain_reading(path: Path):
    """Read an archive without the package, by the layout that CRCNS describes.

    Returns
    -------
    sounds : {(type, name): samples}
    responses : {(area, cell): {(type, name): (K, [[microseconds of a trial] of each trial])}}
    """
    sounds, responses = {}, {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if match := re.search(r"all_stims/(\w+)/([^./]+\.wav)$", name):
                data = archive.read(name)
                samples = struct.unpack(f"<{(len(data) - 44) // 2}h", data[44:])
                sounds[match[1], match[2]] = list(samples)
            elif match := re.search(r"(\w+)_cells/(\w+)/(\w+)/stim(\d+)$", name):
                area, cell, type_, number = match.groups()
                wav = archive.read(name).decode().strip()
                spikes = archive.read(name.replace("/stim", "/spike")).decode()
                trials = [
                    [round(float(token) * 1000) for token in line.split()]
                    for line in spikes.splitlines()
                ]
                responses.setdefault((area, cell), {})[type_, wav] = (int(number), trials)
    return sounds, responses
