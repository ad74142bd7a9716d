"""What is measured on: the recordings or a simulated archive of their size, and larger ones."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

import aa1xr
from aa1xr.archive.files import ARCHIVE, open_files
from aa1xr.archive.read import SIMULATION, Archive, Cell, Recording
from aa1xr.archive.write import write_archive
from aa1xr.store.locate import find_store

#: A copy keeps this part of the spikes: 240 a response, as in AA1, of 340 simulated.
KEPT = 0.7


class Source(NamedTuple):
    archive: Path
    store: str
    data_dir: Path

    def files(self) -> list[Path]:
        """All files of the store."""
        return [path for path in Path(self.store).rglob("*") if path.is_file()]

    def size(self) -> int:
        """Bytes of the store."""
        return sum(path.stat().st_size for path in self.files())


def prepare(archive: Path, data_dir: Path) -> Source:
    return Source(archive, find_store(archive, data_dir=data_dir).url, data_dir)


def find_archive() -> Path | None:
    """The real archive, in $AA1XR_ARCHIVE or where the tests look for it."""
    places = (
        Path(os.environ.get("AA1XR_ARCHIVE", "/nonexistent")),
        Path(os.environ.get("AA1XR_DATA_DIR", "/nonexistent")) / ARCHIVE,
        Path(__file__).resolve().parents[2] / "shared" / "aa1" / ARCHIVE,
    )
    return next((path.absolute() for path in places if path.is_file()), None)


def simulate(work: Path) -> Path:
    """100 cells with as many sounds and trials as AA1; taken as it is if it is there."""
    path = work / "simulated-100.zip"
    if not path.exists():
        aa1xr.simulate_archive(path, n_neurons=100, n_songs=20, n_ripples=10, n_trials=10)
    return path


def grow(base: Path, scale: list[int]) -> dict[int, Source]:
    """Archives beside `base`, of copies of its cells, and their stores, by number of neurons."""
    return {n: prepare(copy_cells(base, n), base.parent / "stores") for n in scale}


def copy_cells(base: Path, n_neurons: int) -> Path:
    """An archive of copies of the cells of another; taken as it is if it is there."""
    path = base.with_name(f"copies-{n_neurons}.zip")
    if not path.exists():
        with open_files(base) as files:
            archive = Archive(files)
            cells = list(archive.cells())
            copies = (_copy(cells[n % len(cells)], n // len(cells), n) for n in range(n_neurons))
            said = {"n_neurons": n_neurons, "copies_of": len(cells)}
            extra = {SIMULATION: json.dumps(said).encode()}
            write_archive(path, archive.sounds(), copies, extra=extra)
    return path


def _copy(cell: Cell, number: int, seed: int) -> Cell:
    rng = np.random.default_rng(seed)
    thinned = [_thin(recording, rng) for recording in cell.recordings]
    return Cell(f"copy{number:03d}{cell.id}", cell.area, thinned)


def _thin(recording: Recording, rng: np.random.Generator) -> Recording:
    kept = rng.random(recording.times.size) < KEPT
    trial = np.repeat(np.arange(recording.counts.size), recording.counts)
    counts = np.bincount(trial[kept], minlength=recording.counts.size).astype(np.int32)
    return Recording(
        recording.number, recording.type, recording.sound, recording.times[kept], counts
    )
