"""Bad archives

Whatever is in a zip or folder, `aa1xr.open` gives what an independent reading of it finds, or
refuses it by an error that names the place.
"""

import hashlib
import logging
import random
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import aa1xr
from aa1xr.archive.parse import parse_spikes, parse_stim, parse_wav
from aa1xr.archive.write import wav_bytes
from stress.archives import coverage_guided, extreme_sizes, mutations, reference_reader
from stress.archives.any_structure import structured
from stress.archives.plain_dataset import as_dataset, as_plain
from stress.archives.reference_reader import Refused
from stress.tally import Tally, tally, times
from tests.archive.read_all import read_all

#: CPU seconds that one small input may take.
_PATIENCE = 20


def run(work: Path, scale: float) -> Iterator[Tally]:
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("error")  # none may reach a user
        yield _parser("spike files, mutated", _spikes, times(120_000, scale))
        yield _parser("stim files, mutated", _stim, times(20_000, scale))
        yield _parser("wav files, mutated", _wav, times(30_000, scale))
        yield _zips(work, times(30_000, scale))
        yield _contents(work, times(16_000, scale))
        yield _opened("whole archives with harmless noise, opened", work, times(1_500, scale))
        yield _opened("whole archives with damage, opened", work, times(2_500, scale))
        yield structured(work, times(1_500, scale))
        yield extreme_sizes.big(work, scale)
        yield coverage_guided.guided(work, scale)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of what was skipped."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Tries:
    """Tries of one stress test, each compared with the right result."""

    def __init__(self, counted: Tally) -> None:
        self._tally = counted
        self._slowest = 0.0

    def attempt(
        self, number: int, read: Callable[[], Any], right: Any, *, sure: bool = True
    ) -> None:
        """Read what is `right`, or Refused; unless `sure`, it may be refused all the same."""
        start = time.process_time()
        try:
            found = read()
        except (aa1xr.ArchiveError, aa1xr.DataNotFoundError) as error:
            if right is not Refused and sure:
                self._fail(number, f"refused what is right: {error}")
            elif not _names_the_place(str(error)):
                self._fail(number, f"names no place, or cannot be printed: {error!r:.300}")
            else:
                self._tally.refused += 1
        except Exception as error:  # noqa: BLE001 - which is what is looked for
            self._fail(number, f"{type(error).__name__}: {error!s:.300}")
        else:
            if right is Refused:
                self._fail(number, "read what is no AA1")
            elif found != right:
                self._fail(number, f"wrong data: {_difference(found, right)}")
            else:
                self._tally.right += 1
        taken = time.process_time() - start
        if taken > _PATIENCE:
            self._fail(number, f"took {taken:.0f} s")
        self._slowest = max(self._slowest, taken)
        self._tally.figures = f"slowest {1000 * self._slowest:.0f} ms"

    def _fail(self, number: int, what: str) -> None:
        self._tally.failures.append(f"try {number}: {what}")


def _difference(found: Any, right: Any) -> str:
    if isinstance(found, dict):
        key = next(key for key in right if found[key] != right[key])
        return f"{key}: {_difference(found[key], right[key])}"
    return f"{found!r:.200} for {right!r:.200}"


def _names_the_place(message: str) -> bool:
    return ("try.zip" in message or "a/file" in message) and message.isprintable()


def _rng(test: str, number: int) -> random.Random:
    """Of one try, so that it can be repeated without those before it."""
    return random.Random(f"{test} {number}")


def _or_refused(read: Callable[[Any], Any], data: Any) -> Any:
    try:
        return read(data)
    except Refused:
        return Refused


# Parsers


def _parser(test: str, attempt: Callable[[_Tries, int, random.Random], None], n: int) -> Tally:
    with tally(test) as counted:
        tries = _Tries(counted)
        for number in range(n):
            attempt(tries, number, _rng(test, number))
    return counted


def _spikes(tries: _Tries, number: int, rng: random.Random) -> None:
    data = mutations.damage_text(rng, mutations.spike_file(rng))
    right = _or_refused(reference_reader.spikes, data)

    def read() -> list[list[int]]:
        found, counts = parse_spikes(data, "a/file")
        return [part.tolist() for part in np.split(found, np.cumsum(counts)[:-1])]

    tries.attempt(number, read, right)


def _stim(tries: _Tries, number: int, rng: random.Random) -> None:
    data = mutations.damage_text(rng, f"{mutations.SOUNDS[0].name}\n".encode())
    right = _or_refused(reference_reader.stim, data)
    tries.attempt(number, lambda: parse_stim(data, "a/file"), right)


def _wav(tries: _Tries, number: int, rng: random.Random) -> None:
    sound = mutations.SOUNDS[0]
    data = wav_bytes(sound.samples[: rng.randint(1, 40)], rng.choice((32000, 44100, 8000)))
    if rng.random() < 0.6:
        data = mutations.damage_numbers(rng, data, 0, 44)
    else:
        data = mutations.damage_text(rng, data)
    name = f"{hashlib.md5(data).hexdigest().upper()}.wav"

    def read() -> tuple[int, list[int]]:
        found = parse_wav(data, "flatrip", name, "a/file")
        return found.sample_rate, found.samples.tolist()

    tries.attempt(number, read, _or_refused(reference_reader.wav, data), sure=False)


# Archives


def _zips(work: Path, n: int) -> Tally:
    """The checksums in a zip are of the data; so all that is read of a damaged one is right."""
    path = work / "try.zip"
    with tally("zips, their structure damaged") as counted:
        tries = _Tries(counted)
        for number in range(n):
            rng = _rng(counted.test, number)
            files = mutations.plain(rng)
            data = mutations.pack(rng, files)
            whole = rng.random()
            if whole < 0.05:
                data = rng.randbytes(rng.randint(1, 5000)) + data  # a prefix, such as a header
            elif whole < 0.1:
                data = mutations.pack(rng, mutations.plain(rng)) + data  # the last counts
            else:
                data = mutations.damage_zip(rng, data)
            path.write_bytes(data)
            right = reference_reader.archive(files)
            tries.attempt(number, lambda: read_all(path), right, sure=whole < 0.1)
    path.unlink()
    return counted


def _contents(work: Path, n: int) -> Tally:
    path = work / "try.zip"
    with tally("zips and folders, their files damaged or renamed") as counted:
        tries = _Tries(counted)
        for number in range(n):
            rng = _rng(counted.test, number)
            files = mutations.damage_files(rng, mutations.plain(rng))
            as_folder = rng.random() < 0.2
            if as_folder and not _fit_a_disk(files):
                continue
            _write(path, rng, files, as_folder=as_folder)
            # In a zip, a backslash is what some programs write between names.
            read = files if as_folder else {n.replace("\\", "/"): d for n, d in files.items()}
            right = _or_refused(reference_reader.archive, read)
            sure = _plain_names(files) and _plain_wavs(files)
            tries.attempt(number, lambda: read_all(path), right, sure=sure)
            _remove(path)
    return counted


def _write(path: Path, rng: random.Random, files: mutations.Files, *, as_folder: bool) -> None:
    if not as_folder:
        path.write_bytes(mutations.pack(rng, files))
        return
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fit_a_disk(files: mutations.Files) -> bool:
    """Whether they could all be files beneath one folder."""
    folders = {name[:i] for name in files for i, char in enumerate(name) if char == "/"}
    return not folders & set(files) and all(
        part not in {"", ".", ".."} and len(part.encode()) < 256
        for name in files
        for part in name.split("/")
    )


def _plain_names(files: mutations.Files) -> bool:
    """Whether a zip may hold such names at all."""
    return not any(
        "\\" in name or ":" in name or {"", ".", ".."} & set(name.split("/")) for name in files
    )


def _plain_wavs(files: mutations.Files) -> bool:
    """Whether all have the header of AA1; versions of Python differ in what else they read."""
    known = {wav_bytes(sound.samples, 32000) for sound in mutations.SOUNDS}
    return {data for name, data in files.items() if name.lower().endswith(".wav")} <= known


# Everything


def _opened(test: str, work: Path, n: int) -> Tally:
    folder = work / "opened"
    noise = "noise" in test
    with tally(test) as counted:
        tries = _Tries(counted)
        for number in range(n):
            rng = _rng(test, number)
            files = mutations.plain(rng)
            damaged = mutations.make_noise(rng, files)
            if not noise:
                damaged = mutations.damage_files(rng, files)
            as_folder = rng.random() < 0.3 and _fit_a_disk(damaged)
            folder.mkdir()
            _write(folder / "try.zip", rng, damaged, as_folder=as_folder)
            right = _or_refused(reference_reader.archive, files if noise else damaged)
            tries.attempt(
                number,
                partial(_dataset, folder, spectrogram=number % 25 == 0),
                right if right is Refused else as_dataset(*right),
                sure=noise or (_plain_names(damaged) and _plain_wavs(damaged)),
            )
            if strays := _strays(folder):
                counted.failures.append(f"try {number}: wrote {strays}")
            shutil.rmtree(folder)
    return counted


def _strays(folder: Path) -> list[str]:
    """What is where nothing should have been written."""
    names = {path.name for path in folder.iterdir()} - {"try.zip", "data"}
    stores = (folder / "data").glob("*") if (folder / "data").exists() else ()
    kept = (".zarr", ".lock")
    return sorted(names | {path.name for path in stores if not path.name.endswith(kept)})


def _dataset(folder: Path, *, spectrogram: bool) -> dict[str, Any]:
    ds = aa1xr.open(folder / "try.zip", data_dir=folder / "data", chunks=None)
    return as_plain(ds, spectrogram=spectrogram)
