"""Archives of any structure, made up by hypothesis: what was written is what is opened."""

import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

import aa1xr
from aa1xr.archive.read import Cell
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.store.read import Store
from stress.archives import mutations
from stress.archives.plain_dataset import as_dataset, as_plain
from stress.tally import Tally, tally
from tests.small_archives import recording
from tests.store.restore import restore_archive

_TIMES = st.integers(-(2**31) + 1, 2**31 - 1)
_TRIALS = st.lists(st.lists(_TIMES, max_size=5), min_size=1, max_size=12)
_SAMPLES = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=400)
_IDS = st.from_regex(r"[A-Za-z0-9-]{1,9}_[0-9]{1,9}(_[A-Za-z0-9-]{1,3})?", fullmatch=True)


def _same_cell(cell: str) -> tuple[Any, ...]:
    animal, number, *rig = cell.lower().split("_")
    return animal, int(number), tuple(rig)


@st.composite
def archives(draw: st.DrawFn) -> tuple[list[Any], list[Cell]]:
    """Sounds, and cells that heard some of them."""
    sounds = draw(
        st.lists(
            st.builds(
                lambda type_, samples: make_sound(type_, np.array(samples, np.int16), 32000),
                st.sampled_from(("conspecific", "flatrip")),
                _SAMPLES,
            ),
            min_size=1,
            max_size=5,
            unique_by=lambda sound: (sound.type, sound.name),
        )
    )
    ids = draw(st.lists(_IDS, min_size=1, max_size=4, unique_by=_same_cell))
    return sounds, [draw(_cells(cell, sounds)) for cell in ids]


@st.composite
def _cells(draw: st.DrawFn, cell: str, sounds: list[Any]) -> Cell:
    heard = draw(
        st.lists(st.sampled_from(sounds), min_size=1, unique_by=lambda s: (s.type, s.name))
    )
    numbers = st.integers(1, 999_999_999)
    ks = draw(st.lists(numbers, min_size=len(heard), max_size=len(heard), unique=True))
    recordings = [recording(k, sound, draw(_TRIALS)) for k, sound in zip(ks, heard, strict=True)]
    return Cell(cell, draw(st.sampled_from(("Field_L", "MLd"))), recordings)


def structured(work: Path, n: int) -> Tally:
    """Write, open and restore `n` of them, as they are or with noise."""
    folder = work / "structured"
    with tally("archives of any structure (hypothesis), written, opened, restored") as counted:

        @hypothesis.seed(0)
        @hypothesis.settings(
            max_examples=n,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],  # to make a failure small may take minutes
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(archives(), st.sampled_from(("zip", "folder", "noise")), st.integers())
        def comes_back(archive: tuple[list[Any], list[Cell]], kind: str, seed: int) -> None:
            folder.mkdir()
            try:
                _comes_back(folder, *archive, kind, seed)
            finally:
                shutil.rmtree(folder)
            counted.right += 1

        try:
            comes_back()
        except Exception as error:  # noqa: BLE001 - which is what is looked for
            notes = " ".join(getattr(error, "__notes__", ()))
            counted.failures.append(f"{type(error).__name__}: {error} {notes}"[:2000])
    return counted


def _comes_back(folder: Path, sounds: list[Any], cells: list[Cell], kind: str, seed: int) -> None:
    path = folder / ("try" if kind == "folder" else "try.zip")
    write_archive(path, sounds, cells)
    opened = path
    if kind == "noise":
        rng = random.Random(seed)
        noisy = mutations.make_noise(rng, _files(path))
        opened = folder / "noisy.zip"
        opened.write_bytes(mutations.pack(rng, noisy))
    ds = aa1xr.open(opened, data_dir=folder / "data", chunks=None)
    found, right = as_plain(ds, spectrogram=False), as_dataset(*_plain(sounds, cells))
    assert found == right, f"{found} for {right}"
    restored = folder / "restored.zip"
    restore_archive(Store(ds.encoding["source"]), restored)
    if kind != "folder":
        assert _files(restored) == _files(path), "restored to other files"


def _files(path: Path) -> mutations.Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _plain(sounds: list[Any], cells: list[Cell]) -> tuple[list[tuple], list[tuple]]:
    """As `tests.archive.reading.read_all` would give them."""

    def key(cell: Cell) -> tuple[Any, ...]:
        animal, number, *rig = cell.id.split("_")
        return cell.area, animal, int(number), rig

    return sorted((s.type, s.name, s.sample_rate, s.samples.tolist()) for s in sounds), [
        (c.id, c.area, r.number, r.type, r.sound, r.times.tolist(), r.counts.tolist())
        for c in sorted(cells, key=key)
        for r in c.recordings
    ]
