"""Small archives that pass for recorded ones, and reading one in plain Python."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aa1xr.archive.read import Cell
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.store import locate
from aa1xr.store.layout import METADATA, seal
from aa1xr.store.read import Store
from tests.small_archives import recording

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


def resealed(store: Path, change: Callable[[dict], object]) -> Path:
    """The store with other metadata, sealed again so that no checksum finds it."""
    document = json.loads((store / METADATA).read_bytes())
    change(document)
    (store / METADATA).write_bytes(seal(json.dumps(document).encode()))
    return store


ADDED = "spectrogram-0123456789abcdef"
VALUES = np.array([[[0], [1.5]], [[-2], [5]], [[3], [4]]], np.float32)


def add(store: Path | str, values: np.ndarray = VALUES) -> None:
    """Add a spectrogram of two bands."""
    Store(str(store)).add(ADDED, values, attrs={"n_mels": 2, "hop": 2**20})


def flipped(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


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
