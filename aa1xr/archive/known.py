"""What CRCNS AA1 holds: its stimuli, its cells, and a digest of each cell's responses.

They are listed in `aa1-contents.txt`. The name of a stimulus is the MD5 of its wav, so it is a
digest, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from aa1xr.schema import TYPES

Cell = tuple[str, str]  #: area and id
Stimulus = tuple[str, str]  #: type and wav name


@dataclass(frozen=True)
class KnownArchive:
    """An archive of which every stimulus and every cell is known."""

    stimuli: frozenset[Stimulus]  #: (type, wav name)
    cells: Mapping[Cell, tuple[Mapping[str, int], str]]  #: trials by type, and the digest

    @property
    def n_stimuli(self) -> Counter[str]:
        """Stimuli of each type."""
        return Counter(type_ for type_, _ in self.stimuli)

    @property
    def totals(self) -> dict[str, int]:
        """Numbers of cells, stimuli, pairs and trials."""
        n = self.n_stimuli
        each = [(n[type_], t) for trials, _ in self.cells.values() for type_, t in trials.items()]
        return {
            "cells": len(self.cells),
            "stimuli": len(self.stimuli),
            "pairs": sum(stimuli for stimuli, trials in each if trials),
            "trials": sum(stimuli * trials for stimuli, trials in each),
        }

    def has_stimulus(self, stimulus: Stimulus) -> bool:
        """Whether a stimulus belongs to it."""
        return plain(stimulus) in self.stimuli

    def missing_stimuli(self, found: Iterable[Stimulus]) -> list[str]:
        """Say which stimuli are not among those that were found."""
        missing = sorted(self.stimuli.difference(map(plain, found)))
        n_missing = Counter(type_ for type_, _ in missing)
        whole = [type_ for type_, n in self.n_stimuli.items() if n_missing[type_] == n]
        return [f"all {n_missing[type_]} {type_} stimuli" for type_ in sorted(whole)] + [
            f"stimulus {name} ({type_})" for type_, name in missing if type_ not in whole
        ]

    def trials(self, cell: Cell) -> Mapping[str, int] | None:
        """Trials of each stimulus of a type; None of an unknown cell."""
        return self.cells[cell][0] if cell in self.cells else None

    def digest(self, cell: Cell) -> str | None:
        """The digest of a cell's responses."""
        return self.cells[cell][1]

    def missing_cells(self, found: set[Cell]) -> tuple[list[Cell], int]:
        """The cells that were not found, and their number."""
        missing = sorted(set(self.cells) - found)
        return missing, len(missing)


@cache
def aa1() -> KnownArchive:
    """The contents of AA1 as CRCNS serves it: 98 cells and 30 stimuli."""
    stimuli: set[Stimulus] = set()
    cells: dict[Cell, tuple[Mapping[str, int], str]] = {}
    for line in files("aa1xr.archive").joinpath("aa1-contents.txt").read_text("ascii").splitlines():
        match line.split():
            case ["#", *_]:
                continue
            case [type_, name]:
                stimuli.add(plain((type_, name)))
            case [area, cell, *trials, digest]:
                cells[area, cell] = dict(zip(TYPES, map(int, trials), strict=True)), digest
    return KnownArchive(frozenset(stimuli), cells)


def plain(stimulus: Stimulus) -> Stimulus:
    """The case of a wav's name says nothing."""
    return stimulus[0], stimulus[1][:-4].upper() + ".wav"
