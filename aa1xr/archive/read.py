"""Walk the archive: which sounds and cells it holds, and each cell's responses in turn."""

from __future__ import annotations

import copy
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from logging import DEBUG, WARNING
from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr.archive.files import Files
from aa1xr.archive.parse import Sound, parse_spike_files, parse_stim, parse_wav
from aa1xr.archive.system_files import is_conflict
from aa1xr.errors import ArchiveError
from aa1xr.messages import logger
from aa1xr.printable import one_line
from aa1xr.schema import AREAS, TYPES, parse_cell_id

#: A file that `simulate_archive` writes, so that simulated cells never pass for recorded ones.
SIMULATION = "simulation.json"

#: As systems name the second copy of a file: "<MD5> (1).wav", "<MD5> - Copy.wav", "<MD5>-PC.wav".
_COPY = re.compile(r"[0-9a-fA-F]{32}[^0-9a-zA-Z.].*")

_TOP = re.compile(r"all_stims|(?P<area>[^/]+)_cells")
#: The two files of a pair; numbers, since sets of an archive's 300,000 pairs take 65 MB.
_KINDS = {"stim": 1, "spike": 2}
_PAIR = re.compile(r"(?P<kind>stim|spike)(?P<number>[1-9][0-9]{0,8})")
#: A file of data, and the folder that wraps everything.
_DATA = re.compile(
    r"(?P<root>(?:.*/)?)(?:all_stims/[^/]+/[^/]*\.[wW][aA][vV]|"
    rf"[^/]+_cells/[^/]+/[^/]+/{_PAIR.pattern})",
    re.DOTALL,
)

# Far beyond what was ever recorded, and small enough to be held in memory.
MOST_SAMPLES = 2**27  #: of all sounds: an hour
MOST_SPIKES = 10**7  #: of one cell
_LARGEST_SIMULATION = 2**20  #: bytes
#: Bytes of spike files that are parsed together; a cell of AA1 has 70 kB.
_TOGETHER = 2**20


@dataclass(frozen=True, eq=False)
class Recording:
    """The responses of one cell to one sound: a stimK and its spikeK."""

    number: int  #: K
    type: str
    sound: str  #: the name of the wav file
    times: npt.NDArray[np.int32]  #: microseconds from onset, trial after trial
    counts: npt.NDArray[np.int32]  #: spikes in each trial


@dataclass(frozen=True, eq=False)
class Cell:
    """One neuron and all its recordings."""

    id: str
    area: str
    recordings: list[Recording]


@dataclass(eq=False)
class Archive:
    """What an archive holds, by name; `sounds` and `cells` read it.

    ArchiveError on construction if it is not a complete AA1, and on reading if a file is damaged.
    """

    files: Files
    root: str = ""  #: the folder that wraps everything, with its "/"
    cell_ids: list[tuple[str, str]] = field(default_factory=list)  #: (area, cell), sorted
    sound_names: list[tuple[str, str]] = field(default_factory=list)  #: (type, wav), sorted
    simulation: dict[str, Any] | None = None  #: how it was simulated; None if recorded
    #: (type, K) of the recordings of each cell, and which files of the pair there are: see _KINDS
    pairs: dict[tuple[str, str], dict[tuple[str, int], int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = _root(self.files)
        for folder in self.files.empty_folders:
            logger.info("%s: skipped %s, an empty folder", self.files.path, folder)
        if self.root + SIMULATION in self.files.names:
            self.simulation = self._read_simulation()
        sounds: set[tuple[str, str]] = set()
        pairs: dict[tuple[str, str], dict[tuple[str, int], int]] = defaultdict(dict)
        for name in self.files.names:
            inside = name.startswith(self.root)
            if not (inside and self._sort_in(name.removeprefix(self.root), sounds, pairs)):
                self.files.check(name)
        if not sounds or not pairs:
            what = "a wav file in all_stims/<type>" if not sounds else "a cell with responses"
            raise ArchiveError(
                f"{one_line(self.files.path)}: empty archive; expected at least {what}. "
                f"{self.files.other_contents()}".strip()
            )
        self.pairs = dict(pairs)
        self.sound_names = sorted(sounds)
        self._check_sounds()
        self._check_cells()
        self.cell_ids = sorted(pairs, key=lambda cell: (cell[0], parse_cell_id(cell[1])))

    def _read_simulation(self) -> dict[str, Any]:
        data = self.files.read(self.root + SIMULATION)
        try:
            simulation = json.loads(data) if len(data) <= _LARGEST_SIMULATION else None
        except (ValueError, RecursionError) as error:
            raise ArchiveError(f"{self._where(SIMULATION)}: not JSON ({error})") from error
        # Nothing else was ever written there, and little else can be kept in any store.
        if not isinstance(simulation, dict) or not all(
            name.isascii() and type(value) is int for name, value in simulation.items()
        ):
            raise ArchiveError(
                f"{self._where(SIMULATION)}: expected a JSON object of whole numbers, the "
                f"arguments of aa1xr.simulate_archive, in at most {_LARGEST_SIMULATION} bytes"
            )
        return simulation

    def _sort_in(
        self,
        name: str,
        sounds: set[tuple[str, str]],
        pairs: dict[tuple[str, str], dict[tuple[str, int], int]],
    ) -> bool:
        """Note a sound, or half of a pair; or say that it is neither."""
        if (" " in name or ".sync" in name) and is_conflict(name):
            logger.warning(
                "%s: skipped %s, a copy that synchronisation made; see which of the two is right",
                self.files.path,
                name,
            )
            return False
        top, *rest = name.split("/")
        match = _TOP.fullmatch(top)
        if match is None or not rest:
            # Documents are expected here; data would belong to a folder with a wrong name.
            data = name.lower().endswith(".wav") or _PAIR.fullmatch(name.rpartition("/")[2])
            level = WARNING if data else DEBUG
            logger.log(level, "%s: skipped %s, in no folder of AA1", self.files.path, name)
            return False
        area = match["area"]
        if area is None and len(rest) == 2 and rest[1].lower().endswith(".wav"):
            if _COPY.fullmatch(rest[1]):
                logger.warning("%s: skipped %s, a copy of a sound", self.files.path, name)
                return False
            self._expect(rest[0], TYPES, name, "stimulus type")
            sounds.add((rest[0], rest[1]))
            return True
        if area is None or len(rest) != 3 or (half := _half(rest[1], rest[2])) is None:
            logger.warning("%s: skipped %s, no file of AA1", self.files.path, name)
            return False
        self._expect(area, AREAS, name, "area")
        self._expect(rest[1], TYPES, name, "stimulus type")
        key, kind = half
        of_cell = pairs[area, rest[0]]
        of_cell[key] = of_cell.get(key, 0) | kind
        return True

    def _expect(self, value: str, allowed: tuple[str, ...], name: str, what: str) -> None:
        if value not in allowed:
            raise ArchiveError(
                f"{self._where(name)}: unknown {what} {value!r}; expected {' or '.join(allowed)}"
            )

    def _check_sounds(self) -> None:
        for (type_, name), (next_type, next_name) in pairwise(
            sorted(self.sound_names, key=lambda sound: (sound[0], sound[1].lower()))
        ):
            if (type_, name.lower()) == (next_type, next_name.lower()):
                raise ArchiveError(
                    f"{self._where(f'all_stims/{type_}/{name}')}: is there as {next_name!r} too; "
                    "expected each sound once"
                )

    def _check_cells(self) -> None:
        seen: dict[tuple[str, int, str], tuple[str, str]] = {}
        for area, cell in sorted(self.pairs):
            folder = f"{area}_cells/{cell}"
            try:
                animal, seq, rig = parse_cell_id(cell)
            except ValueError as error:
                raise ArchiveError(f"{self._where(folder)}: {error}") from error
            # Neither the case of a name nor a zero in front of a number makes another cell.
            other = seen.setdefault((animal.lower(), seq, rig.lower()), (area, cell))
            if other != (area, cell):
                raise ArchiveError(
                    f"{self._where(folder)}: this cell is in {other[0]}_cells too, as {other[1]}; "
                    "expected each cell once"
                )
            for (type_, number), kinds in self.pairs[area, cell].items():
                if kinds != sum(_KINDS.values()):
                    there, lost = sorted(_KINDS, key=lambda kind: not kinds & _KINDS[kind])
                    raise ArchiveError(
                        f"{self._where(f'{folder}/{type_}/{there}{number}')}: has no "
                        f"{lost}{number} beside it; the archive is incomplete: fetch it again"
                    )

    def _where(self, name: str) -> str:
        return f"{one_line(self.files.path)}: {one_line(self.root + name)}"

    def sounds(self) -> list[Sound]:
        """All sounds, sorted by type and name."""
        sounds: list[Sound] = []
        samples = 0
        for type_, name in self.sound_names:
            path = f"all_stims/{type_}/{name}"
            sound = parse_wav(self.files.read(self.root + path), type_, name, self._where(path))
            if sounds and sound.sample_rate != sounds[0].sample_rate:
                raise ArchiveError(
                    f"{self._where(path)}: sampled at {sound.sample_rate} Hz, but "
                    f"{one_line(sounds[0].name)} at {sounds[0].sample_rate} Hz; expected one rate "
                    "for all"
                )
            sounds.append(sound)
            samples += sound.samples.size
            if samples > MOST_SAMPLES:
                raise ArchiveError(
                    f"{self._where('all_stims')}: more than {MOST_SAMPLES} samples; "
                    "this is no AA1 archive"
                )
        return sounds

    def part(self, cells: slice) -> Archive:
        """The archive as if it held the cells `cell_ids[cells]` alone."""
        part = copy.copy(self)
        part.cell_ids = self.cell_ids[cells]
        part.pairs = {cell: self.pairs[cell] for cell in part.cell_ids}
        return part

    def cells(self) -> Iterator[Cell]:
        """Each cell with its responses, sorted by area and id; one is in memory at a time."""
        known = set(self.sound_names)
        for area, cell in self.cell_ids:
            recordings: list[Recording] = []
            spikes = 0
            for read in self._read_together(area, cell, known):
                parsed = parse_spike_files([(data, where) for *_, data, where in read])
                for (number, type_, sound, *_), (times, counts) in zip(read, parsed, strict=True):
                    recordings.append(Recording(number, type_, sound, times, counts))
                    spikes += times.size
                if spikes > MOST_SPIKES:
                    raise ArchiveError(
                        f"{self._where(f'{area}_cells/{cell}')}: more than {MOST_SPIKES} spikes; "
                        "a cell of AA1 has fewer"
                    )
            yield Cell(cell, area, recordings)

    def _read_together(
        self, area: str, cell: str, known: set[tuple[str, str]]
    ) -> Iterator[list[tuple[int, str, str, bytes, str]]]:
        """Number, type, sound, spikes and their place of the recordings of a cell, some MB each."""
        heard: dict[tuple[str, str], str] = {}
        read: list[tuple[int, str, str, bytes, str]] = []
        size = 0
        for type_, number in sorted(self.pairs[area, cell]):
            folder = f"{area}_cells/{cell}/{type_}"
            stim, spike = f"{folder}/stim{number}", f"{folder}/spike{number}"
            sound = parse_stim(self.files.read(self.root + stim), self._where(stim))
            if (type_, sound) not in known:
                raise ArchiveError(
                    f"{self._where(stim)}: points to {sound[:60]!r}, which is not in "
                    f"all_stims/{type_}; the archive is incomplete: fetch it again"
                )
            if other := heard.get((type_, sound)):
                raise ArchiveError(
                    f"{self._where(stim)}: points to {sound!r}, as {other} does; "
                    "expected each sound once for a cell"
                )
            heard[type_, sound] = f"stim{number}"
            data = self.files.read(self.root + spike)
            read.append((number, type_, sound, data, self._where(spike)))
            size += len(data)
            if size > _TOGETHER:
                yield read
                read, size = [], 0
        yield read


@lru_cache(256)  # the same in every cell
def _half(type_: str, name: str) -> tuple[tuple[str, int], int] | None:
    """The pair of a type that a file belongs to, and which of its two it is; None if neither."""
    match = _PAIR.fullmatch(name)
    return None if match is None else ((type_, int(match["number"])), _KINDS[match["kind"]])


def _root(files: Files) -> str:
    """The folder in which all_stims and the <area>_cells lie: "" or "some-folder/"."""
    roots: set[str] = set()
    seen = ""  # a folder of which it is known
    for name in files.names:
        if name.rpartition("/")[0] != seen and (match := _DATA.fullmatch(name)):
            roots.add(match["root"])
            seen = name.rpartition("/")[0]
    if len(roots) > 1:
        places = ", ".join(one_line(root or ".") for root in sorted(roots))
        raise ArchiveError(
            f"{one_line(files.path)}: holds several archives, in {places}; expected one"
        )
    return roots.pop() if roots else ""
