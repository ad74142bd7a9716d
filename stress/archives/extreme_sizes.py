"""Archives that are large, or seem so: each opened in a process whose memory and time are bound."""

import hashlib
import json
import re
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from aa1xr.archive.write import make_sound, wav_bytes
from stress.tally import Tally, tally

#: MiB above what an open of anything takes, where it is refused or right, and CPU seconds.
_REFUSED, _RIGHT, _SECONDS = 512, 1024, 120

Files = dict[str, bytes]
SOUND = make_sound("flatrip", np.arange(400, dtype=np.int16), 32000)
WAV = f"all_stims/flatrip/{SOUND.name}"
CELL = "MLd_cells/a1_1_A/flatrip"
SPIKES = f"{CELL}/spike1"


def _archive() -> Files:
    return {
        WAV: wav_bytes(SOUND.samples, 32000),
        f"{CELL}/stim1": f"{SOUND.name}\n".encode(),
        SPIKES: b"1.000 \n",
    }


def _zip(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def _folder(path: Path, files: Files) -> None:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def _declare(path: Path, name: str, size: int) -> None:
    """Let a member say in the directory that it unpacks to so many bytes."""
    data = bytearray(path.read_bytes())
    start = data.rfind(name.encode()) - 46 + 24
    data[start : start + 4] = struct.pack("<I", size)
    path.write_bytes(data)


def _bomb(method: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        bomb = "MLd_cells/a1_0_A/flatrip/spike1"  # read first
        _zip(path, _archive() | {bomb.replace("spike", "stim"): SOUND.name.encode()})
        with (
            zipfile.ZipFile(path, "a", method) as archive,
            archive.open(bomb, "w", force_zip64=False) as member,
        ):
            for _ in range(600):
                member.write(bytes(2**20))
        _declare(path, bomb, 10)

    return make


def _cells_by_sounds(cells: int, sounds: int, trials: int) -> Callable[[Path], None]:
    """Each cell heard one sound, one of them so often: few bytes that ask for many places."""

    def make(path: Path) -> None:
        files = {}
        for s in range(sounds):
            wav = wav_bytes(np.array([s, s], np.int16), 32000)
            files[f"all_stims/flatrip/{hashlib.md5(wav).hexdigest().upper()}.wav"] = wav
        names = [name.rpartition("/")[2] for name in files]
        for c in range(cells):
            folder = f"MLd_cells/a1_{c}_A/flatrip"
            files[f"{folder}/stim1"] = names[c % sounds].encode()
            files[f"{folder}/spike1"] = b"\n" * (trials if c == 0 else 1)
        _zip(path, files)

    return make


def _overlapping(path: Path) -> None:
    """A thousand members that are one and the same (after D. Fifield, 2019)."""
    name, data = b"x", zlib.compress(bytes(2**20), wbits=-15)
    crc, sizes = zlib.crc32(bytes(2**20)), (len(data), 2**20, len(name), 0)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, crc, *sizes) + name + data
    entries = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, crc, *sizes, 0, 0, 0, 0, 0) + name
        for _ in range(1000)
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1000, 1000, len(entries), len(local), 0)
    path.write_bytes(local + entries + end)


def _far_away(path: Path) -> None:
    """A zip64 whose directory is said to lie at the end of the numbers."""
    _zip(path, _archive())
    data = path.read_bytes()
    at = data.rfind(b"PK\5\6")
    far = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 9, 9, 2**63 + 7, 2**63 + 9)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    path.write_bytes(data[:at] + far + locator + data[at : at + 8] + b"\xff" * 12 + b"\0\0")


def _long_sounds(path: Path) -> None:
    _folder(path, _archive())
    for k in range(5):
        wav = wav_bytes(np.zeros(30_000_000 + k, np.int16), 32000)
        (path / f"all_stims/flatrip/{hashlib.md5(wav).hexdigest().upper()}.wav").write_bytes(wav)


def _at_a_rate(rate: int) -> Callable[[Path], None]:
    sound = make_sound("flatrip", SOUND.samples, rate)
    files = {f"all_stims/flatrip/{sound.name}": wav_bytes(SOUND.samples, rate)}
    pair = {f"{CELL}/stim1": sound.name.encode(), SPIKES: b"1.000 \n"}
    return lambda path: _zip(path, files | pair)


def _deep(path: Path) -> None:
    _folder(path, _archive())
    folder = path
    for _ in range(1500):
        folder /= "d"
        folder.mkdir()


def _zipped(files: Callable[[], Files]) -> Callable[[Path], None]:
    """A right archive in which these files are put or replaced; made only when it is its turn."""
    return lambda path: _zip(path, _archive() | files())


def _in_folder(files: Callable[[], Files]) -> Callable[[Path], None]:
    return lambda path: _folder(path, _archive() | files())


def _ascending(n: int) -> bytes:
    return b"".join(b"%d.%03d " % divmod(k, 1000) for k in range(n)) + b"\n"


#: What is made, and how many spikes there are; None: it must be refused.
CASES: dict[str, tuple[Callable[[Path], None], int | None]] = {
    "a million spikes in a trial": (_zipped(lambda: {SPIKES: _ascending(10**6)}), 10**6),
    "8 million spikes in a trial": (
        _in_folder(lambda: {SPIKES: b"0 " * (2**23 - 1) + b"\n"}), 2**23 - 1
    ),
    "32 million spikes in a trial": (
        _in_folder(lambda: {SPIKES: b"0 " * (2**25 - 1) + b"\n"}), None
    ),
    "300 trials": (_zipped(lambda: {SPIKES: b"1.000 2.000 \n" * 300}), 600),
    "10,000 trials": (_zipped(lambda: {SPIKES: b"1.000 \n" * 10_000}), 10_000),
    "a million trials": (_zipped(lambda: {SPIKES: b"\n" * 10**6}), None),
    "times of 1e12": (_zipped(lambda: {SPIKES: b"1000000000000.000 \n"}), None),
    "the latest time": (_zipped(lambda: {SPIKES: b"2147483.647 \n"}), 1),
    "a bomb, deflated": (_bomb(zipfile.ZIP_DEFLATED), None),
    "a bomb, bzip2": (_bomb(zipfile.ZIP_BZIP2), None),
    "a bomb, LZMA": (_bomb(zipfile.ZIP_LZMA), None),
    "a hundred bombs": (
        _zipped(lambda: {f"MLd_cells/a1_{k}_A/flatrip/spike1": bytes(2**20) for k in range(99)}),
        None,
    ),
    "overlapping members": (_overlapping, None),
    "a directory beyond 2^63": (_far_away, None),
    "3,000 x 3,000 x 1": (_cells_by_sounds(3000, 3000, 1), 0),
    "1,000 x 1,000 x 90": (_cells_by_sounds(1000, 1000, 90), 0),
    "300 x 300 x 9,999": (_cells_by_sounds(300, 300, 9999), None),
    "1 x 12,000 x 9,999": (_cells_by_sounds(1, 12_000, 9999), None),
    "names of 30,000 folders": (
        _zipped(lambda: {f"{k}{'/d' * 30_000}": b"" for k in range(20)} | {"e/": b""}), 1
    ),
    "1,500 folders in each other": (_deep, 1),
    "50,000 documents": (_zipped(lambda: {f"docs/{k}": b"" for k in range(50_000)}), 1),
    "a pointer of 60 MB": (
        _in_folder(lambda: {f"{CELL}/stim1": b"a " * (30 * 2**20)}), None
    ),
    "a simulation.json of 60 MB": (
        _in_folder(lambda: {"simulation.json": b"[" + b"{}," * (20 * 2**20) + b"{}]"}), None
    ),
    "a simulation.json of 1,000,000 levels": (
        _zipped(lambda: {"simulation.json": b"[" * 10**6}), None
    ),
    "75 minutes of sound": (_long_sounds, None),
    "a sound at 1 MHz": (_at_a_rate(10**6), 1),
    "a sound at 2 GHz": (_at_a_rate(2 * 10**9), None),
}  # fmt: skip


def big(work: Path, scale: float) -> Tally:
    """Each case once; in the short form only some of them."""
    with tally("archives of extreme size, each in a process of bound memory") as counted:
        peak = seconds = 0.0
        for name in _chosen(scale):
            make, spikes = CASES[name]
            folder = work / "size"
            folder.mkdir()
            make(folder / "try.zip")
            found = _child(folder)
            if found.get("spikes") is not None and found["spikes"] == spikes:
                counted.right += 1
            elif spikes is None and "try.zip" in found.get("refused", ""):
                counted.refused += 1
            else:
                counted.failures.append(f"{name}: {found}")
            most = _REFUSED if spikes is None else _RIGHT
            if found["peak"] > most or found["seconds"] > _SECONDS:
                counted.failures.append(f"{name}: took {found['peak']} MiB, {found['seconds']} s")
            peak, seconds = max(peak, found["peak"]), max(seconds, found["seconds"])
            _remove(folder)
        counted.figures = f"at most {peak:.0f} MiB more than a plain open, {seconds:.0f} s"
    return counted


def _chosen(scale: float) -> Iterator[str]:
    short = ("a million trials", "300 x 300 x 9,999", "300 trials", "a directory beyond 2^63")
    yield from CASES if scale >= 1 else short[: max(1, round(100 * scale))]


def _child(folder: Path) -> dict[str, float | str]:
    command = [sys.executable, "-m", __name__, str(folder / "try.zip"), str(folder / "data")]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=10 * _SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"peak": 0, "seconds": 10 * _SECONDS}
    if done.returncode:
        return {"peak": 0, "seconds": 0, "died": done.stderr[-500:]}
    return json.loads(done.stdout)


def _remove(folder: Path) -> None:
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def _main() -> None:
    # A process that asks for far too much ends there, not with the machine.
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    import aa1xr

    path, data_dir = map(Path, sys.argv[1:])
    _zip(path.with_name("small.zip"), _archive())
    aa1xr.events(path.with_name("small.zip"), data_dir=data_dir)
    before, start = _peak(), time.process_time()
    found: dict[str, float | str] = {}
    try:
        ds = aa1xr.open(path, data_dir=data_dir)
    except aa1xr.ArchiveError as error:
        found["refused"] = str(error)
    found |= {"peak": _peak() - before, "seconds": time.process_time() - start}
    if "refused" not in found:
        found["spikes"] = int(aa1xr.events(ds).row_size.values.sum())
    print(json.dumps(found))


def _peak() -> int:
    """MiB of memory at the most; what getrusage says is of the process that began this one too."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) // 2**10


if __name__ == "__main__":
    _main()
