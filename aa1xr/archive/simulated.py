"""What a simulated archive must hold, by the arguments that its `simulation.json` names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from aa1xr.schema import AREAS

_ID = re.compile(r"sim([0-9]{4,12})_([1-5])_([AB])")

#: Missing cells that are named.
_MOST_NAMED = 20


def simulated_cell(number: int) -> tuple[str, str]:
    """Area and id of a simulated neuron: pairs of MLd (rig A) and Field L (rig B)."""
    pair, side = divmod(number, 2)
    return AREAS[1 - side], f"sim{pair // 5:04d}_{pair % 5 + 1}_{'AB'[side]}"


def simulated_trials(number: int, n_trials: int) -> dict[str, int]:
    """Trials of each stimulus of a type: the second neuron has more, the third heard no song."""
    trials = n_trials + n_trials // 2 if number == 1 else n_trials
    return {"conspecific": 0 if number == 2 else trials, "flatrip": trials}


@dataclass(frozen=True)
class Simulation:
    """The archive that `aa1xr.simulate_archive` writes with these arguments."""

    n_neurons: int
    n_songs: int
    n_ripples: int
    n_trials: int

    @classmethod
    def of(cls, simulation: Mapping[str, Any]) -> Simulation | None:
        """The archive that a `simulation.json` describes; None if it does not say enough."""
        sizes = [simulation.get(f"n_{of}") for of in ("neurons", "songs", "ripples", "trials")]
        if not all(isinstance(size, int) and size >= 0 for size in sizes):
            return None
        return cls(*sizes)  # type: ignore[arg-type]

    @property
    def n_stimuli(self) -> dict[str, int]:
        """Stimuli of each type."""
        return {"conspecific": self.n_songs, "flatrip": self.n_ripples}

    @property
    def totals(self) -> dict[str, int]:
        """Numbers of cells, stimuli, pairs and trials."""
        stimuli = self.n_songs + self.n_ripples
        # All neurons are alike but for the first three.
        first = [simulated_trials(n, self.n_trials) for n in range(min(3, self.n_neurons))]
        rest = self.n_neurons - len(first)
        each = [(self.n_stimuli[type_], t) for trials in first for type_, t in trials.items()]
        return {
            "cells": self.n_neurons,
            "stimuli": stimuli,
            "pairs": rest * stimuli + sum(n for n, trials in each if trials),
            "trials": rest * stimuli * self.n_trials + sum(n * trials for n, trials in each),
        }

    def has_stimulus(self, stimulus: tuple[str, str]) -> bool:
        """Whether a stimulus belongs to it: the names of simulated stimuli are not known."""
        return self.n_stimuli[stimulus[0]] > 0

    def missing_stimuli(self, found: Iterable[tuple[str, str]]) -> list[str]:
        """Say how many stimuli are missing."""
        types = [type_ for type_, _ in found]
        return [
            f"{n - types.count(type_)} of {n} {type_} stimuli"
            for type_, n in self.n_stimuli.items()
            if types.count(type_) < n
        ]

    def trials(self, cell: tuple[str, str]) -> Mapping[str, int] | None:
        """Trials of each stimulus of a type; None of an unknown cell."""
        match = _ID.fullmatch(cell[1])
        if match is None:
            return None
        number = (int(match[1]) * 5 + int(match[2]) - 1) * 2 + "AB".index(match[3])
        if number >= self.n_neurons or simulated_cell(number) != cell:
            return None
        return simulated_trials(number, self.n_trials)

    def digest(self, _cell: tuple[str, str]) -> str | None:
        """Not known: only simulating the archive again would tell."""
        return None

    def missing_cells(self, found: set[tuple[str, str]]) -> tuple[list[tuple[str, str]], int]:
        """The first cells that were not found, and the number of all of them."""
        missing = self.n_neurons - len(found)
        absent = (cell for cell in map(simulated_cell, count()) if cell not in found)
        return list(islice(absent, min(missing, _MOST_NAMED))), missing
