"""Small archives of any shape, opened, and what their Dataset must say, read in plain Python."""

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import aa1xr
from aa1xr.archive.parse import Sound
from aa1xr.archive.read import Cell, Recording
from aa1xr.archive.write import make_sound, write_archive

RATE = 32000

#: Each example builds a store: a quarter of the profile's examples.
fewer = settings(max_examples=settings().max_examples // 4)


def recording(number: int, sound: Sound, trials: list) -> Recording:
    """The microseconds of each trial as the package holds them."""
    times = np.array([time for trial in trials for time in trial], np.int32)
    return Recording(number, sound.type, sound.name, times, np.array([*map(len, trials)], np.int32))


@dataclass
class SmallArchive:
    """An archive in memory: trials[cell][(type, wav)] is a list of lists of microseconds."""

    sounds: list[Sound]
    areas: dict[str, str]
    trials: dict[str, dict[tuple[str, str], list[list[int]]]]

    def write(self, path: Path) -> Path:
        return write_archive(path, self.sounds, self._cells())

    def _cells(self):
        sounds = {(sound.type, sound.name): sound for sound in self.sounds}
        for cell, heard in self.trials.items():
            recordings = [
                recording(number, sounds[key], trials)
                for number, (key, trials) in enumerate(heard.items(), start=1)
            ]
            yield Cell(cell, self.areas[cell], recordings)

    def counts(self, ds, *, hop, before=0, after=0):
        """What `spikes` must be, by loops and integers."""
        expected = np.full([ds.sizes[d] for d in ("neuron", "stimulus", "trial", "time")], np.nan)
        lengths = {(s.type, s.name): s.samples.size for s in self.sounds}
        n_before = -(-before // hop)
        # Whole bins of the 2 s before and the 4 s after onset that were recorded.
        first, stop = n_before - 2 * RATE // hop, n_before + 4 * RATE // hop
        for n, cell in enumerate(ds.neuron.values):
            for s, key in enumerate(zip(ds.type.values, ds.name.values, strict=True)):
                n_bins = n_before + -(-(lengths[key] + after) // hop)
                for r, trial in enumerate(self.trials[cell].get(key, [])):
                    expected[n, s, r, max(0, first) : min(n_bins, stop)] = 0
                    for microseconds in trial:
                        k = microseconds * RATE // (hop * 10**6) + n_before
                        if max(0, first) <= k < min(n_bins, stop):
                            expected[n, s, r, k] += 1
        return expected


@st.composite
def archives(draw) -> SmallArchive:
    """Ragged archives: unequal trials, missing pairs, silent trials, spikes out of the window."""
    sounds, seen = [], set()
    for type_ in draw(
        st.lists(st.sampled_from(["conspecific", "flatrip"]), min_size=1, max_size=4)
    ):
        # Another sample a sound, so that their MD5 differ.
        samples = np.full(draw(st.integers(1, 1200)), len(seen) + 1, np.int16)
        sounds.append(make_sound(type_, samples, RATE))
        seen.add(sounds[-1].name)
    keys = [(sound.type, sound.name) for sound in sounds]
    # Times near bin edges are the ones that go wrong.
    edge = st.builds(lambda k, d: k * 125 // 4 + d, st.integers(-700, 2500), st.integers(-1, 1))
    time = st.one_of(edge, st.integers(-40_000, 80_000), st.sampled_from([-(2**31) + 1, 2**31 - 1]))
    trial = st.lists(time, max_size=6).map(sorted)
    heard = st.dictionaries(
        st.sampled_from(keys), st.lists(trial, min_size=1, max_size=4), min_size=1
    )
    ids = ["b1_1_A", "b1_1_B", "b1_10_A", "b2_3", "c_7_B"]
    cells = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=4, unique=True))
    areas = {cell: draw(st.sampled_from(["Field_L", "MLd"])) for cell in cells}
    return SmallArchive(sounds, areas, {cell: draw(heard) for cell in cells})


@contextlib.contextmanager
def open_temporary(small, **options):
    """The Dataset of an archive in memory; its files are removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        archive = small.write(Path(folder) / "a.zip")
        yield aa1xr.open(archive, data_dir=folder, **options)
