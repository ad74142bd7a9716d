"""A small archive as text, and what a Dataset of it must hold, counted in plain Python.

Nothing here uses aa1xr: the text is written, read and counted by loops and integers.
"""

import hashlib
import io
import wave
import zipfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from tests.reliability.oracle import Array, Table

RATE = 32000
CELLS = {
    "b1_1_A": "MLd",
    "b1_1_B": "Field_L",
    "b1_10_A": "MLd",
    "b2_3": "MLd",
    "c7_2_A": "MLd",
    "c7_2_B": "Field_L",
    "c7_10_B": "Field_L",
}
UNITS = {
    "spikes": "spikes",
    "psth": "spikes/s",
    "spectrogram": "a.u.",
    "n_trials": "trials",
    "sample_rate": "Hz",
    "n_samples": "samples",
    "duration_s": "s",
    "time": "s",
    "freq": "Hz",
}
#: By dimension, its coordinate first, in the order of the index.
LABELS = {
    "neuron": ("neuron", "area", "animal_id", "cell_seq", "rig"),
    "stimulus": ("stimulus", "name", "sample_rate", "type", "n_samples", "duration_s"),
}


@dataclass(frozen=True)
class Window:
    """How a Dataset is opened; whole numbers of samples."""

    hop: int
    before: int = 0
    after: int = 0
    n_mels: int = 3

    @property
    def options(self) -> dict[str, float]:
        return {
            "dt_ms": self.hop * 1000 / RATE,
            "before_ms": self.before * 1000 / RATE,
            "after_ms": self.after * 1000 / RATE,
            "n_mels": self.n_mels,
        }


class Text:
    """An archive in memory: ragged trials, missing pairs, silent trials, spikes on bin edges."""

    def __init__(self, seed: int) -> None:
        rng = Random(f"text-{seed}")
        self.sounds: dict[tuple[str, str], list[int]] = {}
        self.wavs: dict[tuple[str, str], bytes] = {}
        for type_ in ("conspecific", "conspecific", "conspecific", "flatrip", "flatrip"):
            samples = [rng.randrange(-9000, 9000) for _ in range(rng.randrange(700, 1500))]
            wav = _wav(samples)
            name = hashlib.md5(wav, usedforsecurity=False).hexdigest().upper() + ".wav"
            self.sounds[type_, name] = samples
            self.wavs[type_, name] = wav
        #: Of each cell and sound that it heard, a line of text for each trial.
        self.lines: dict[str, dict[tuple[str, str], list[str]]] = {}
        for number, cell in enumerate(CELLS):
            heard = [key for key in self.sounds if number != 2 or key[0] == "flatrip"]
            if number == 4:
                heard = heard[:2]
            trials = 4 if number == 1 else 3
            self.lines[cell] = {key: [_line(rng) for _ in range(trials)] for key in heard}

    def write(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            for (type_, name), wav in self.wavs.items():
                archive.writestr(f"all_stims/{type_}/{name}", wav)
            for cell, heard in self.lines.items():
                for number, ((type_, name), lines) in enumerate(heard.items(), start=1):
                    folder = f"{CELLS[cell]}_cells/{cell}/{type_}"
                    archive.writestr(f"{folder}/stim{number}", f"{name}\n")
                    archive.writestr(f"{folder}/spike{number}", "".join(lines))
        return path

    def table(self, window: Window) -> Table:
        """The whole Dataset, as it must be."""
        cells = sorted(CELLS, key=lambda cell: (CELLS[cell], *_parsed(cell)))
        keys = sorted(self.sounds)
        lengths = [len(self.sounds[key]) for key in keys]
        n_before = -(-window.before // window.hop)
        n_bins = [n_before - (-(n + window.after) // window.hop) for n in lengths]
        shape = (len(cells), len(keys), 4, max(n_bins))
        spikes = np.full(shape, np.nan, np.float32)
        psth = np.full((*shape[:2], shape[3]), np.nan, np.float32)
        n_trials = np.zeros(shape[:2], np.int32)
        for n, cell in enumerate(cells):
            for s, key in enumerate(keys):
                lines = self.lines[cell].get(key, [])
                n_trials[n, s] = len(lines)
                for r, line in enumerate(lines):
                    spikes[n, s, r, : n_bins[s]] = 0
                    for token in line.split():
                        microseconds = int(token.replace(".", ""))
                        k = microseconds * RATE // (window.hop * 10**6) + n_before
                        if 0 <= k < n_bins[s]:
                            spikes[n, s, r, k] += 1
                if lines:
                    total = spikes[n, s, : len(lines)].sum(0, dtype=np.float32)
                    psth[n, s] = total / np.float32(len(lines)) / np.float32(window.hop / RATE)
        coords = {
            "neuron": np.array(cells),
            "area": np.array([CELLS[cell] for cell in cells]),
            "animal_id": np.array([_parsed(cell)[0] for cell in cells]),
            "cell_seq": np.array([_parsed(cell)[1] for cell in cells]),
            "rig": np.array([_parsed(cell)[2] for cell in cells]),
            "stimulus": np.array([_stimulus(keys, s) for s in range(len(keys))]),
            "name": np.array([name for _, name in keys]),
            "type": np.array([type_ for type_, _ in keys]),
            "sample_rate": np.full(len(keys), RATE),
            "n_samples": np.array(lengths),
            "duration_s": np.array([n / RATE for n in lengths]),
            "trial": np.arange(4),
            "time": np.array([(k - n_before) * window.hop / RATE for k in range(shape[3])]),
            "freq": _mel_edges(window)[1:-1],
        }
        dims = {name: (dim,) for dim, names in LABELS.items() for name in names}
        values = {
            "spikes": (("neuron", "stimulus", "trial", "time"), spikes),
            "psth": (("neuron", "stimulus", "time"), psth),
            "spectrogram": (
                ("stimulus", "freq", "time"),
                np.stack([self._spectrogram(key, window, n_before, shape[3]) for key in keys]),
            ),
            "n_trials": (("neuron", "stimulus"), n_trials),
        }
        return Table(
            {
                name: Array(d, v, UNITS[name], exact=name != "spectrogram")
                for name, (d, v) in values.items()
            },
            {n: Array(dims.get(n, (n,)), v, UNITS.get(n, "")) for n, v in coords.items()},
            held=dict(LABELS),
            plain=frozenset({"trial", "time", "freq"}),
            dt_ms=window.hop * 1000 / RATE,
            attrs=True,
        )

    def _spectrogram(self, key, window: Window, n_before: int, n_time: int):
        """Cube root of the power in triangular mel bands, by the formula and in doubles."""
        samples = np.array(self.sounds[key]) / 2**15
        size = max(320, window.hop)
        out = np.zeros((window.n_mels, n_time))
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        frequencies = np.arange(size // 2 + 1) * RATE / size
        edges = _mel_edges(window)
        for frame in range(-(-samples.size // window.hop)):
            piece = np.zeros(size)
            for i in range(size):
                at = frame * window.hop - size // 2 + i
                if 0 <= at < samples.size:
                    piece[i] = samples[at]
            power = np.abs(np.fft.rfft(piece * hann)) ** 2
            for band, (low, mid, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
                up = (frequencies - low) / (mid - low)
                down = (high - frequencies) / (high - mid)
                weight = np.clip(np.minimum(up, down), 0, None)
                out[band, n_before + frame] = (weight * power).sum() ** (1 / 3)
        return out


def _wav(samples: list[int]) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(s.to_bytes(2, "little", signed=True) for s in samples))
    return buffer.getvalue()


def _line(rng: Random) -> str:
    """Spike times of a trial: many on edges of bins of 1 ms, where counts go wrong."""
    times = [rng.randrange(-12_000, 60_000) for _ in range(rng.choice([0, 8, 15]))]
    times += [1000 * rng.randrange(-12, 60) + rng.choice([-1, 0, 1]) for _ in times]
    text = [f"{'-' * (t < 0)}{abs(t) // 1000}.{abs(t) % 1000:03d} " for t in sorted(times)]
    return "".join(text) + "\n"


def _parsed(cell: str) -> tuple[str, int, str]:
    animal, seq, *rig = cell.split("_")
    return animal, int(seq), rig[0] if rig else ""


def _stimulus(keys: list[tuple[str, str]], s: int) -> str:
    type_ = keys[s][0]
    return f"{type_}-{[k for k, (other, _) in enumerate(keys) if other == type_].index(s):02d}"


def _mel_edges(window: Window):
    """Edges of the bands in Hz, equally wide in mel (HTK)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    return 700 * (10 ** (np.linspace(0, top, window.n_mels + 2) / 2595) - 1)
