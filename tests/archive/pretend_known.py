"""Let a small archive of a test stand for all of AA1."""

from pathlib import Path

import pytest

from aa1xr.archive.compare import cell_digest
from aa1xr.archive.files import Files, open_files
from aa1xr.archive.known import KnownArchive, plain
from aa1xr.archive.read import Archive
from aa1xr.schema import TYPES
from aa1xr.store.blocks import read_block


def known_archive(path: Path) -> KnownArchive:
    """The contents of the archive at a path."""
    with open_files(path) as files:
        return known_files(files)


def known_files(files: Files) -> KnownArchive:
    """The contents of an archive in which a cell has equal trials of all stimuli of a type."""
    archive = Archive(files)
    types = [type_ for type_, _ in archive.sound_names]
    cells = {}
    for cell, responses in zip(archive.cell_ids, read_block(archive).by_neuron(), strict=True):
        trials = dict.fromkeys(TYPES, 0)
        for type_, n in zip(types, responses[0].tolist(), strict=True):
            trials[type_] = max(n, trials[type_])
        cells[cell] = trials, cell_digest(cell, archive.sound_names, *responses)
    return KnownArchive(frozenset(map(plain, archive.sound_names)), cells)


def pretend(monkeypatch: pytest.MonkeyPatch, archive: KnownArchive) -> None:
    """Let what the package knows of AA1 be another archive."""
    monkeypatch.setattr("aa1xr.archive.known.aa1", lambda: archive)
