"""What CRCNS AA1 holds, and what an archive lacks of it, alters or adds.

`aa1-contents.txt` names each stimulus (a wav's name is the MD5 of its bytes) and each cell with a
digest of its responses. So a part of AA1 never passes for AA1, however it came about.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from aa1xr.archive.simulated import Simulation
from aa1xr.schema import TYPES

#: (area, cell id) and (type, wav name).
Cell = tuple[str, str]
Stimulus = tuple[str, str]

Counts = npt.NDArray[np.int32]

#: Statements of one kind that a store keeps; AA1 needs a few hundred at most.
_MOST_KEPT = 300
#: Statements of one kind that a warning shows.
_MOST_SHOWN = 8


class Reference(Protocol):
    """What an archive is compared with."""

    name: str
    n_stimuli: Mapping[str, int]  #: of each type
    totals: Mapping[str, int]  #: cells, stimuli, pairs and trials

    def has_stimulus(self, stimulus: Stimulus) -> bool:
        """Whether a stimulus belongs to it."""

    def missing_stimuli(self, found: Iterable[Stimulus]) -> list[str]:
        """Say which stimuli are not among those that were found."""

    def trials(self, cell: Cell) -> Mapping[str, int] | None:
        """Trials of each stimulus of a type (0: never presented); None of an unknown cell."""

    def digest(self, cell: Cell) -> str | None:
        """The digest of a cell's responses, if it is known."""

    def missing_cells(self, found: set[Cell]) -> tuple[list[Cell], int]:
        """The first cells that were not found, and the number of all of them."""


@dataclass(frozen=True)
class KnownArchive:
    """An archive of which every stimulus and every cell is known."""

    stimuli: frozenset[Stimulus]
    cells: Mapping[Cell, tuple[Mapping[str, int], str]]  #: trials by type, and the digest
    name: str = "CRCNS AA1"

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
        return _plain(stimulus) in self.stimuli

    def missing_stimuli(self, found: Iterable[Stimulus]) -> list[str]:
        """Say which stimuli are not among those that were found."""
        missing = sorted(self.stimuli.difference(map(_plain, found)))
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
                stimuli.add(_plain((type_, name)))
            case [area, cell, *trials, digest]:
                cells[area, cell] = dict(zip(TYPES, map(int, trials), strict=True)), digest
    return KnownArchive(frozenset(stimuli), cells)


def _plain(stimulus: Stimulus) -> Stimulus:
    """The case of a wav's name says nothing."""
    return stimulus[0], stimulus[1][:-4].upper() + ".wav"


def origin(
    cells: Iterable[Cell], stimuli: Iterable[Stimulus], simulation: Mapping[str, Any] | None
) -> str:
    """Say whose data an archive holds.

    Returns
    -------
    str
        "simulated", if the archive says so; "aa1", if it has any cell or stimulus of AA1; "other"
        for recordings that only have AA1's layout.
    """
    if simulation is not None:
        return "simulated"
    known = any(cell in aa1().cells for cell in cells) or any(map(aa1().has_stimulus, stimuli))
    return "aa1" if known else "other"


@dataclass(frozen=True)
class Contents:
    """How an archive compares with what is known of it; a store keeps it in its attributes."""

    origin: str  #: as the function `origin` gives it
    found: dict[str, int] = field(default_factory=dict)  #: of the known cells, ..., those there
    known: dict[str, int] = field(default_factory=dict)  #: numbers of cells, stimuli, pairs, trials
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    additional: list[str] = field(default_factory=list)

    @classmethod
    def of_attrs(cls, attrs: Mapping[str, Any]) -> Self:
        """The comparison that the attributes of a store hold."""
        return cls(**attrs["contents"])

    def as_attrs(self) -> dict[str, Any]:
        """The comparison as it stands in the attributes of a store."""
        return {"contents": asdict(self)}

    @property
    def is_complete(self) -> bool:
        """Whether nothing that is known is missing or different."""
        return not (self.missing or self.different)

    @property
    def title(self) -> str:
        """What the data are, on one line."""
        simulated = self.origin == "simulated"
        if self.origin == "other":
            return "Recordings of unknown origin in the layout of CRCNS AA1"
        if self.missing:
            numbers = ", ".join(f"{self.found[of]} of {n} {of}" for of, n in self.known.items())
            return f"part of {'a simulated archive' if simulated else 'CRCNS AA1'} ({numbers})"
        if self.different:
            number = f"{len(self.different)} of {self.known['cells']} cells"
            return f"CRCNS AA1 with altered responses ({number})"
        if simulated:
            return "Simulated cells in the layout of CRCNS AA1"
        return "CRCNS AA1: single units in two auditory areas of the zebra finch"

    @property
    def statements(self) -> dict[str, str]:
        """What is missing, different and additional; without what there is nothing to say of."""
        kinds = {
            "missing": self.missing,
            "different": self.different,
            "additional": self.additional,
        }
        return {kind: "; ".join(each) for kind, each in kinds.items() if each}

    def warning(self, source: str) -> str | None:
        """What to say to somebody who opens this; None where all that is known is there."""
        if self.is_complete:
            return None
        kinds = {"Missing": self.missing, "Different from the published data": self.different}
        details = " ".join(f"{kind}: {_cut(each)}." for kind, each in kinds.items() if each)
        again = (
            "Simulate the archive again"
            if self.origin == "simulated"
            else "For all of AA1, extract or fetch the archive again: "
            "aa1xr.open(download=True, data_dir=...) with another folder"
        )
        return (
            f"{source} is {self.title}. {details} Results will differ from those of the complete "
            f"archive. {again}. The attributes of the Dataset list everything: "
            f"{', '.join(f'ds.attrs[{kind!r}]' for kind in self.statements)}."
        )


def _cut(statements: Sequence[str]) -> str:
    rest = len(statements) - _MOST_SHOWN
    return "; ".join(statements[:_MOST_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


class Comparison:
    """Compares an archive with its reference, cell by cell while the archive is read.

    Parameters
    ----------
    cells, stimuli
        All of the archive, in the order of its axes.
    simulation
        What the archive says of how it was simulated; None if it was recorded.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        stimuli: Sequence[Stimulus],
        simulation: Mapping[str, Any] | None,
    ) -> None:
        self._origin = origin(cells, stimuli, simulation)
        self._stimuli = stimuli
        self._found: set[Cell] = set()
        self._n = Counter[str]()
        self._lacking: dict[Cell, npt.NDArray[np.bool_]] = {}
        self._fewer: list[str] = []
        self._different: list[str] = []
        self._additional: list[str] = []
        self._reference: Reference | None = None
        if self._origin == "aa1":
            self._reference = aa1()
        elif simulation is not None:
            self._reference = Simulation.of(simulation)
        reference = self._reference
        if reference is not None:
            self._known = np.array([reference.has_stimulus(stimulus) for stimulus in stimuli])
            self._types = np.array([TYPES.index(type_) for type_, _ in stimuli])

    def add(
        self, cell: Cell, n_trials: Counts, file_number: Counts, row_size: Counts, times: Counts
    ) -> None:
        """Take in the responses of the next cell, as `aa1xr.store.blocks.Block` holds them.

        Parameters
        ----------
        n_trials, file_number
            [shape: (stimulus,)]
        row_size, times
            Spikes in each trial, and their times, of one stimulus after another.
        """
        if self._reference is None:
            return
        trials = self._reference.trials(cell)
        if trials is None:
            self._additional.append(_cell(cell))
            return
        by_type = np.array([trials[type_] for type_ in TYPES])
        expected = np.where(self._known, by_type[self._types], 0)
        self._found.add(cell)
        self._n["pairs"] += int(((n_trials > 0) & (expected > 0)).sum())
        self._n["trials"] += int(np.minimum(n_trials, expected).sum())
        if (n_trials != expected).any():
            self._note(cell, n_trials, expected)
        digest = self._reference.digest(cell)
        complete = sum(n for type_, n in self._reference.n_stimuli.items() if trials[type_])
        if digest is not None and ((n_trials >= expected) & (expected > 0)).sum() == complete:
            if n_trials[expected == 0].any():  # compare what is known
                kept = np.repeat(expected > 0, n_trials)
                row_size, times = row_size[kept], times[np.repeat(kept, row_size)]
                n_trials = np.where(expected > 0, n_trials, 0)
            found = cell_digest(cell, self._stimuli, n_trials, file_number, row_size, times)
            if found != digest:
                self._different.append(_cell(cell))

    def _note(self, cell: Cell, n_trials: Counts, expected: npt.NDArray[Any]) -> None:
        """Note the pairs and trials that a cell lacks or adds."""
        heard = n_trials > 0
        if (lacking := ~heard & (expected > 0)).any():
            self._lacking[cell] = lacking
        if (fewer := heard & (n_trials < expected)).any():
            numbers = f"{n_trials[fewer].sum()} of {expected[fewer].sum()}"
            self._fewer.append(f"trials of {_cell(cell)} ({numbers} there)")
        if (more := heard & (expected == 0)).any():
            self._additional.append(f"responses of {_cell(cell)} to {more.sum()} more stimuli")
        if (more := (expected > 0) & (n_trials > expected)).any():
            self._additional.append(f"trials of {_cell(cell)}")

    def result(self) -> Contents:
        """The comparison, once every cell was added."""
        reference = self._reference
        if reference is None:
            return Contents(self._origin)
        unknown = [
            f"stimulus {name} ({type_})"
            for (type_, name), known in zip(self._stimuli, self._known, strict=True)
            if not known
        ]
        n_found = Counter(
            type_ for (type_, _), k in zip(self._stimuli, self._known, strict=True) if k
        )
        found = {
            "cells": len(self._found),
            "stimuli": sum(min(n_found[type_], n) for type_, n in reference.n_stimuli.items()),
            "pairs": self._n["pairs"],
            "trials": self._n["trials"],
        }
        missing = [
            *reference.missing_stimuli(self._stimuli),
            *self._missing_cells(reference),
            *self._missing_pairs(reference),
            *self._fewer,
        ]
        return Contents(
            self._origin,
            found,
            dict(reference.totals),
            _keep(missing),
            _keep(self._different),
            _keep([*unknown, *self._additional]),
        )

    def _missing_cells(self, reference: Reference) -> list[str]:
        cells, number = reference.missing_cells(self._found)
        areas = Counter(area for area, _ in cells) if len(cells) == number else Counter[str]()
        whole = areas.keys() - {area for area, _ in self._found}
        said = [f"all {areas[area]} cells of {area}" for area in sorted(whole) if areas[area] > 1]
        said += [_cell((a, cell)) for a, cell in cells if a not in whole or areas[a] == 1]
        return said + ([f"{number - len(cells)} more cells"] if number > len(cells) else [])

    def _missing_pairs(self, reference: Reference) -> list[str]:
        """Say which responses are missing of the cells and stimuli that are there."""
        if not self._lacking:
            return []
        said: list[str] = []
        lacking = np.stack(list(self._lacking.values()))
        presented = np.zeros(len(self._stimuli), int)  # to so many of the cells that are there
        for cell in self._found:
            trials = reference.trials(cell) or {}
            presented += np.array([trials[type_] > 0 for type_ in TYPES])[self._types] & self._known
        nobody = (lacking.sum(0) == presented) & (presented > 0)
        for s in np.flatnonzero(nobody):
            type_, name = self._stimuli[s]
            said.append(f"all responses to stimulus {name} ({type_})")
        for cell, of_cell in self._lacking.items():
            for number, type_ in enumerate(TYPES):
                of_type = (self._types == number) & self._known & ~nobody
                if not (gone := np.flatnonzero(of_cell & of_type)).size:
                    continue
                left = of_type.sum() - gone.size
                if gone.size == 1 and left:
                    names = f"the response of {_cell(cell)} to {self._stimuli[gone[0]][1]}"
                    said.append(f"{names} ({type_})")
                else:
                    numbers = f"{gone.size} of {of_type.sum()}" if left else f"all {gone.size}"
                    said.append(f"{numbers} {type_} responses of {_cell(cell)}")
        return said


def cell_digest(
    cell: Cell,
    stimuli: Sequence[Stimulus],
    n_trials: Counts,
    file_number: Counts,
    row_size: Counts,
    times: Counts,
) -> str:
    """The digest of a cell's responses: eight bytes of SHA-256 over names, sizes and contents.

    It does not depend on what else is in the archive.
    """
    heard = np.flatnonzero(n_trials)
    names = [_plain(stimuli[s]) for s in heard.tolist()]
    digest = hashlib.sha256(json.dumps([cell, names]).encode())
    for values in (n_trials[heard], file_number[heard], row_size, times):
        digest.update(np.ascontiguousarray(values, "<i4").data)
    return digest.hexdigest()[:16]


def _cell(cell: Cell) -> str:
    return f"cell {cell[1]} ({cell[0]})"


def _keep(statements: list[str]) -> list[str]:
    rest = len(statements) - _MOST_KEPT
    return list(islice(statements, _MOST_KEPT)) + ([f"and {rest} more"] if rest > 0 else [])
