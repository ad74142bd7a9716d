"""Write an archive in the raw AA1 layout: simulated neurons, or (in tests) those of a store."""

from __future__ import annotations

import hashlib
import io
import os
import re
import wave
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aa1xr import arguments
from aa1xr.archive.parse import Sound
from aa1xr.archive.read import Cell, Recording
from aa1xr.atomic import atomic_write
from aa1xr.printable import printable

#: Zip members carry a time; a constant one keeps equal archives equal to the byte.
_ZIP_TIME = (2009, 1, 1, 0, 0, 0)


def spike_text(recording: Recording) -> bytes:
    """The bytes of a spikeK file, as CRCNS wrote them: each time and each line ended."""
    tokens = [_milliseconds(time) for time in recording.times.tolist()]
    lines, start = [], 0
    for count in recording.counts.tolist():
        lines.append("".join(tokens[start : start + count]) + "\n")
        start += count
    return "".join(lines).encode("ascii")


def _milliseconds(microseconds: int) -> str:
    whole, rest = divmod(abs(microseconds), 1000)
    return f"{'-' if microseconds < 0 else ''}{whole}.{rest:03d} "


def wav_bytes(samples: npt.NDArray[np.int16], sample_rate: int) -> bytes:
    """A 16-bit wav file with the plain 44-byte header. [shape: (n_samples[, n_channels])]."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def make_sound(type_: str, samples: npt.NDArray[np.int16], sample_rate: int) -> Sound:
    """A Sound named as CRCNS names it: the upper-case MD5 of its wav file."""
    digest = hashlib.md5(wav_bytes(samples, sample_rate), usedforsecurity=False)
    return Sound(type_, f"{digest.hexdigest().upper()}.wav", sample_rate, samples)


def write_archive(
    path: str | os.PathLike[str],
    sounds: Iterable[Sound],
    cells: Iterable[Cell],
    *,
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a zip (if `path` ends in .zip) or a folder in the raw AA1 layout.

    It appears under its name only when it is whole, and nothing may be there. Equal content gives
    an equal zip. `cells` are taken one at a time; `extra` are further files, at the top.
    """
    path = arguments.expand_user("path", path)
    files = _contents(sounds, cells, extra or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        if path.suffix == ".zip":
            _write_zip(partial, files)
        else:
            _write_folder(partial, files)
    return path


def _contents(
    sounds: Iterable[Sound], cells: Iterable[Cell], extra: Mapping[str, bytes]
) -> Iterator[tuple[str, bytes]]:
    for name, data in _files(sounds, cells, extra):
        # Labels may be of a store that somebody else made.
        if any(part in {"", ".", ".."} for part in re.split(r"[/\\]", name)):
            raise ValueError(
                f"{printable(name)!r} must be a name below the archive's folder; a label leads "
                "elsewhere"
            )
        yield name, data


def _files(
    sounds: Iterable[Sound], cells: Iterable[Cell], extra: Mapping[str, bytes]
) -> Iterator[tuple[str, bytes]]:
    yield from extra.items()
    for sound in sounds:
        wav = wav_bytes(sound.samples, sound.sample_rate)
        yield f"all_stims/{sound.type}/{sound.name}", wav
    for cell in cells:
        for recording in cell.recordings:
            folder = f"{cell.area}_cells/{cell.id}/{recording.type}"
            yield f"{folder}/stim{recording.number}", f"{recording.sound}\n".encode("ascii")
            yield f"{folder}/spike{recording.number}", spike_text(recording)


def _write_zip(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)


def _write_folder(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    for name, data in files:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
