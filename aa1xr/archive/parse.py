"""The three kinds of file in the archive: spike times, stimulus pointers and sounds.

Each parser takes the bytes and where they came from, and refuses what it cannot read exactly.
"""

from __future__ import annotations

import hashlib
import io
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from aa1xr.errors import ArchiveError

#: Microseconds from onset of each spike, and the number of spikes of each trial.
Spikes: TypeAlias = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]

#: Milliseconds with at most three decimals: whole microseconds, which is what the archive holds.
_TIME = re.compile(rb"-?[0-9]{1,7}(?:\.[0-9]{1,3})?")
#: What lies between the times of a line.
_TOKEN = re.compile(rb"[^ \t]+")
_MICROSECONDS_MAX = 2**31 - 1

# Far beyond what was ever recorded, and small enough to be read into memory.
MOST_TRIALS = 10_000  #: AA1 has 10 or 15 trials of a stimulus
_LARGEST_SPIKES = 16 * 2**20  #: bytes; a trial of a million spikes is 12 MB
HIGHEST_RATE = 1_000_000  #: Hz


@dataclass(frozen=True, eq=False)
class Sound:
    """One wav file."""

    type: str
    name: str
    sample_rate: int
    samples: npt.NDArray[np.int16]


def parse_spikes(data: bytes, where: str) -> Spikes:
    """Read a spike file: a line a trial, spike times in ms between spaces.

    Returns microseconds from onset in the order of the file [shape: (n_spikes,)], and the number of
    spikes in each trial [shape: (n_trials,)]; an empty line is a trial without spikes.
    """
    lines = _lines(data, where)
    if (found := _parse_regular(data)) is not None:
        return found
    trials = [
        _trial(line.removesuffix(b"\r"), f"{where}, line {number}")
        for number, line in enumerate(lines, start=1)
    ]
    microseconds = np.concatenate(trials)
    counts = np.array([trial.size for trial in trials], dtype=np.int32)
    beyond = np.flatnonzero(np.abs(microseconds) > _MICROSECONDS_MAX)
    if beyond.size:
        number = 1 + int(np.searchsorted(np.cumsum(counts), beyond[0], side="right"))
        raise ArchiveError(
            f"{where}, line {number}: a spike time beyond {_MICROSECONDS_MAX // 1000} ms; "
            "expected milliseconds from stimulus onset"
        )
    return microseconds.astype(np.int32), counts


def parse_spike_files(files: Sequence[tuple[bytes, str]]) -> list[Spikes]:
    """As `parse_spikes` of each file: together, which is twice as quick, where all are regular."""
    if all(data.endswith(b"\n") and len(data) <= _LARGEST_SPIKES for data, _ in files):
        n_trials = [data.count(b"\n") for data, _ in files]
        if max(n_trials, default=0) <= MOST_TRIALS:
            found = _parse_regular(b"".join(data for data, _ in files))
            if found is not None:
                times, counts = found
                trial_ends = np.cumsum(n_trials)[:-1]
                ends = np.cumsum(counts)
                by_file = np.split(counts, trial_ends)
                return list(zip(np.split(times, ends[trial_ends - 1]), by_file, strict=True))
    return [parse_spikes(data, where) for data, where in files]


def _parse_regular(data: bytes) -> Spikes | None:
    """The spikes of lines as CRCNS wrote them; None of any others.

    Each time has three decimals, and there is nothing between times but spaces and newlines. It
    is most of what building a store takes, and this is five times as fast as time by time.
    """
    text = np.frombuffer(data, np.uint8)
    digit = text - np.uint8(ord("0")) < 10
    newline, dot, minus = text == ord("\n"), text == ord("."), text == ord("-")
    gap = (text == ord(" ")) | newline
    starts = np.flatnonzero(~gap[1:] & gap[:-1]) + 1
    if text.size and not gap[0]:
        starts = np.concatenate([[0], starts])
    dots, signs = np.flatnonzero(dot), minus[starts]
    if (
        not 0 < dots.size == starts.size
        or dots[-1] + 4 >= text.size
        or not (digit | gap | dot | minus).all()
        or np.count_nonzero(minus) != np.count_nonzero(signs)
    ):
        return None
    # With a gap behind its decimals, no time has two dots; so each has one, in this order.
    whole = dots - starts - signs
    right = digit[dots + 1] & digit[dots + 2] & digit[dots + 3] & gap[dots + 4]
    if not (right & (whole >= 1) & (whole <= 7)).all():
        return None
    microseconds = np.fromstring(data.replace(b".", b""), dtype=np.int64, sep=" ")
    if np.abs(microseconds).max() > _MICROSECONDS_MAX:
        return None
    counts = np.diff(np.searchsorted(dots, np.flatnonzero(newline)), prepend=0)
    return microseconds.astype(np.int32), counts.astype(np.int32)


def _lines(data: bytes, where: str) -> list[bytes]:
    """The lines of a spike file, which end with LF, or with CRLF and then in a CR."""
    if not data:
        raise ArchiveError(f"{where}: empty; expected a line of spike times for each trial")
    if not data.endswith(b"\n"):
        # 159.3 may be what is left of 159.375.
        raise ArchiveError(
            f"{where}: its last line has no end; expected a newline after each trial. "
            "The file is cut off: fetch the archive again"
        )
    if len(data) > _LARGEST_SPIKES:
        raise ArchiveError(
            f"{where}: {len(data)} bytes; expected spike times, at most {_LARGEST_SPIKES} bytes"
        )
    if (trials := data.count(b"\n")) > MOST_TRIALS:
        raise ArchiveError(
            f"{where}: {trials} lines; expected one for each trial of a stimulus, at most "
            f"{MOST_TRIALS}"
        )
    return data.split(b"\n")[:-1]


def _trial(line: bytes, where: str) -> npt.NDArray[np.int64]:
    # One by one, since the tokens of a long line take many times its memory.
    tokens = (match[0] for match in _TOKEN.finditer(line))
    return np.fromiter((_microseconds(token, where) for token in tokens), dtype=np.int64)


def _microseconds(token: bytes, where: str) -> int:
    if not _TIME.fullmatch(token):
        text = token[:40].decode("utf-8", "replace")
        raise ArchiveError(
            f"{where}: a spike time must be milliseconds with at most three decimals, such as "
            f"159.375, between spaces, and lines must end with LF or CRLF; got {text!r}"
        )
    whole, _, decimals = token.partition(b".")
    return int(whole + decimals.ljust(3, b"0"))


def parse_stim(data: bytes, where: str) -> str:
    """Read a stim file: the name of a wav file and a newline."""
    lines = data.split(maxsplit=1)
    if len(lines) != 1 or b"/" in lines[0] or b"\\" in lines[0]:
        text = data[:60].decode("utf-8", "replace")
        raise ArchiveError(f"{where}: {text!r}; expected the name of one wav file")
    try:
        return lines[0].decode("ascii")
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{where}: not text ({error}); expected the name of one wav") from error


def parse_wav(data: bytes, type_: str, name: str, where: str) -> Sound:
    """Read a wav file, whose name is the MD5 of its bytes."""
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
    if name.lower() != f"{digest.lower()}.wav":
        raise ArchiveError(
            f"{where}: its MD5 is {digest}, but the name of an AA1 wav file is its MD5; "
            "the file is damaged: fetch the archive again"
        )
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate, frames = file.getparams()[:4]
            raw = file.readframes(frames)
    except (wave.Error, EOFError, RuntimeError) as error:  # the last where chunks do not fit
        raise ArchiveError(f"{where}: not a PCM wav file ({error})") from error
    if (channels, width) != (1, 2) or len(raw) != 2 * frames or not raw:
        raise ArchiveError(
            f"{where}: {channels} channel(s) of {8 * width} bit, {len(raw)} bytes of sound; "
            f"expected one channel of 16 bit, {2 * frames} bytes"
        )
    if not 0 < rate <= HIGHEST_RATE:
        raise ArchiveError(
            f"{where}: sampled at {rate} Hz; expected a rate from 1 to {HIGHEST_RATE} Hz"
        )
    return Sound(type_, name, rate, np.frombuffer(raw, dtype="<i2").astype(np.int16))
