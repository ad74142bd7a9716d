"""Compare an archive with what it should hold, while it is read."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr.archive import known
from aa1xr.archive.contents import MOST_KEPT, Contents, origin
from aa1xr.archive.known import Cell, KnownArchive, Stimulus, plain
from aa1xr.archive.simulated import Simulation
from aa1xr.schema import TYPES

Counts = npt.NDArray[np.int32]
#: What an archive is compared with.
Reference = KnownArchive | Simulation


class Comparison:
    """Compares an archive with its reference, neuron by neuron while the archive is read.

    `cells` and `stimuli` are all of the archive, in the order of its axes; `simulation` is what it
    says of how it was simulated, or None.
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
            self._reference = known.aa1()
        elif simulation is not None:
            self._reference = Simulation.of(simulation)
        reference = self._reference
        if reference is not None:
            self._known = np.array([reference.has_stimulus(stimulus) for stimulus in stimuli])
            self._types = np.array([TYPES.index(type_) for type_, _ in stimuli])

    def add(
        self, cell: Cell, n_trials: Counts, file_number: Counts, row_size: Counts, times: Counts
    ) -> None:
        """Take in the responses of the next neuron, as `store.blocks.Block` holds them."""
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
            for (type_, name), there in zip(self._stimuli, self._known, strict=True)
            if not there
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
        for s in np.flatnonzero(nobody).tolist():
            type_, name = self._stimuli[s]
            said.append(f"all responses to stimulus {name} ({type_})")
        for cell, of_cell in self._lacking.items():
            for number, type_ in enumerate(TYPES):
                of_type = (self._types == number) & self._known & ~nobody
                if not (gone := np.flatnonzero(of_cell & of_type)).size:
                    continue
                left = of_type.sum() - gone.size
                if gone.size == 1 and left:
                    names = f"the response of {_cell(cell)} to {self._stimuli[int(gone[0])][1]}"
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
    """Eight bytes of SHA-256 over names, sizes and contents of the responses of one neuron."""
    heard = np.flatnonzero(n_trials)
    names = [plain(stimuli[s]) for s in heard.tolist()]
    digest = hashlib.sha256(json.dumps([cell, names]).encode())
    for values in (n_trials[heard], file_number[heard], row_size, times):
        digest.update(np.ascontiguousarray(values, "<i4").data)
    return digest.hexdigest()[:16]


def _cell(cell: Cell) -> str:
    return f"cell {cell[1]} ({cell[0]})"


def _keep(statements: list[str]) -> list[str]:
    rest = len(statements) - MOST_KEPT
    return list(islice(statements, MOST_KEPT)) + ([f"and {rest} more"] if rest > 0 else [])
