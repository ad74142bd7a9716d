"""Archives as names and bytes, and what may befall them: noise that does no harm, and damage."""

import hashlib
import io
import random
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from aa1xr.archive.write import make_sound, wav_bytes

Files = dict[str, bytes]

#: What people, editors and malicious users put where a spike time is expected.
TOKENS = (
    b"1e3", b"1e12", b"-1E5", b"nan", b"NaN", b"inf", b"-inf", b"1,5", b"159,375", b"-0.0",
    b"-0.000", b"-0", b"0", b"007.010", b"1.2345", b"1.", b".5", b"+1.0", b"--1", b"-", b".",
    b"1000000000000", b"2147483.647", b"-2147483.647", b"2147483.648", b"9999999.999", b"9999999",
    b"12345678", b"1_000", b"0x10", b"1;", b"\xef\xbb\xbf1.000", b"\xff", b"\0", b"\xc2\xa01.0",
    b"\xd9\xa1", b"\x1b[2J", b"#", b"''", b"None", b"1.0.0", b"1-2", b"1.-2", b"1 .5",
)  # fmt: skip
SPACES = (b" ", b"\t", b"  ", b"\n", b"\r\n", b"\r", b"\r\r\n", b"\v", b"\f", b"\0", b"", b"\xa0")

#: Names for whatever has a name.
NAMES = (
    "..", ".", "", " ", "a b", "\u00e4", "a\u0308", "\u202e", "\x1b[2J", "a\nb", "a\rb", "\x7f",
    "CON", "nul", "a:b", "a\\b", "~", "-rf", "*", "%s", "{0}", "$HOME", "x" * 300, "\U0001f426",
    "stim1", "spike1", "spike0", "spike01", "Spike1", "spike1 ", "spike1.txt", "stim999999999",
    "stim1000000000", "spike\u0661", "a1_1", "A1_1_a", "a1_01_A", "a1_1_A_B", "_1_A", "a1_x",
    "a1_999999999", "a1_1_\u00e4", "mld_cells", "MLd_cells", "_cells", "x_cells", "all_stims",
    "ALL_STIMS", "flatrip", "Flatrip", "songrip", "conspecific", ".DS_Store", "__MACOSX", "._a",
    "Thumbs.db", "Icon\r", "simulation.json", "x.wav", "X.WAV", ".wav",
)  # fmt: skip

JSON = (
    b"{}", b'{"seed": 0}', b'{"seed": 1.5}', b'{"seed": NaN}', b'{"seed": 1e999}', b"[]", b"null",
    b'{"seed": true}', b'{"seed": "0"}', b'{"seed": ' + b"9" * 4000 + b"}", b"{", b"", b"\xff",
    b'{"seed": ' + b"9" * 5000 + b"}", b'{"\\ud800": 1}', b'{"a": "\\ud800"}', b'{"a": [[]]}',
    b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 10**5, b'{"seed": 0, "seed": 1}', b"{} {}",
    b'\xef\xbb\xbf{"seed": 0}', '{"seed": 0}'.encode("utf-16"), b'{"\xc3\xa4": 0}', b'{"seed":-0}',
    b'{"__class__": 0}', b'{"": 0}', b'{"seed": 00}', b'{"seed": 0}\0',
)  # fmt: skip

SOUNDS = tuple(
    make_sound(type_, np.arange(first, first + 700, dtype=np.int16), 32000)
    for type_, first in (("conspecific", 0), ("conspecific", 900), ("flatrip", -700))
)


def plain(rng: random.Random) -> Files:
    """A right archive of one to three cells, its spike files as CRCNS writes them."""
    files = {f"all_stims/{s.type}/{s.name}": wav_bytes(s.samples, 32000) for s in SOUNDS}
    ids = rng.sample(("a1_1_A", "a1_1_B", "a1_10_A", "b-2_3"), rng.randint(1, 3))
    for cell in ids:
        area = rng.choice(("MLd", "Field_L"))
        for k, sound in enumerate(rng.sample(SOUNDS, rng.randint(1, 3)), start=rng.randint(1, 9)):
            folder = f"{area}_cells/{cell}/{sound.type}"
            files[f"{folder}/stim{k}"] = f"{sound.name}\n".encode()
            files[f"{folder}/spike{k}"] = spike_file(rng)
    if rng.random() < 0.3:
        files["simulation.json"] = b'{"seed": 0}'
    return files


def spike_file(rng: random.Random) -> bytes:
    """Some trials, as CRCNS writes them."""
    lines = []
    for _ in range(rng.choice((1, 2, 3, 10))):
        times = sorted(rng.randint(-2_000_000, 4_000_000) for _ in range(rng.randint(0, 6)))
        lines.append("".join(f"{'-' * (t < 0)}{abs(t) / 1000:.3f} " for t in times))
    return "".join(f"{line}\n" for line in lines).encode()


# Noise


def make_noise(rng: random.Random, files: Files) -> Files:
    """The same archive, after it went through people's hands."""
    noisy = {
        name: _respelt(rng, data) if "/spike" in name else data for name, data in files.items()
    }
    for name in list(noisy):
        if "/stim" in name:
            noisy[name] = noisy[name].strip() + rng.choice((b"", b"\n", b"\r\n", b" \n"))
        if rng.random() < 0.2:
            folder, slash, last = name.rpartition("/")
            noisy[f"{folder}{slash}._{last}"] = b"\0junk"
    for folder in {name.rpartition("/")[0] for name in files}:
        if rng.random() < 0.3:
            junk = rng.choice((".DS_Store", "Thumbs.db", "desktop.ini", "Icon\r", "._x"))
            noisy[f"{folder}/{junk}".lstrip("/")] = rng.randbytes(20)
    extra = ("README", "docs/methods.pdf", "notes \u00e4.txt", "__MACOSX/._a", "docs/x_cells/y.csv")
    noisy |= dict.fromkeys(rng.sample(extra, rng.randint(0, 3)), b"some text")
    top = rng.choice(
        ("", "", "aa1/", "crcns aa1/data/", "my_cells/", "\u00e9t\u00e9/", "x/all_stims/")
    )
    noisy = {top + name: data for name, data in noisy.items()}
    names = list(noisy)
    rng.shuffle(names)
    return {name: noisy[name] for name in names}


def _respelt(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")[:-1]
    if rng.random() < 0.3:
        return data
    end = rng.choice((b"\n", b"\r\n"))
    gap = rng.choice((b" ", b"\t", b"   ", b" \t"))
    last = rng.choice((b"", b" ", b"\t"))
    first = rng.choice((b"", b" "))
    short = rng.random() < 0.5
    return b"".join(
        first
        + gap.join(t.rstrip(b"0").rstrip(b".") if short else t for t in line.split())
        + last
        + end
        for line in lines
    )


def pack(rng: random.Random, files: Files) -> bytes:
    """A zip of them, as one tool or another would write it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        folders = {name[: i + 1] for name in files for i, c in enumerate(name) if c == "/"}
        if rng.random() < 0.3:
            for folder in sorted(folders - set(files)):
                archive.writestr(zipfile.ZipInfo(folder), b"")
        method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        zip64 = rng.random() < 0.2
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.create_system = rng.choice((0, 3))
            info.external_attr = rng.choice((0, 0o100644 << 16, 0o100755 << 16 | 1))
            if rng.random() < 0.1:
                info.extra = struct.pack("<HHB I", 0x5455, 5, 1, 0)
            with archive.open(info, "w", force_zip64=zip64) as member:
                member.write(data)
        if rng.random() < 0.2:
            archive.comment = rng.choice((b"AA1", b"x" * 60_000, b"PK\x03\x04"))
    return buffer.getvalue()


# Damage


def damage_text(rng: random.Random, data: bytes) -> bytes:
    """Text after one to three accidents."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(_TEXT)(rng, data)
    return data


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _drop(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + data[at + rng.randint(1, 5) :]


def _double(rng: random.Random, data: bytes) -> bytes:
    at, after = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:after] + data[at:]


def _flip(rng: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice((*TOKENS, *SPACES, rng.randbytes(3))) + data[at:]


def _swap_token(rng: random.Random, data: bytes) -> bytes:
    words = data.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(TOKENS)
    return b" ".join(words)


def _swap_space(rng: random.Random, data: bytes) -> bytes:
    return data.replace(rng.choice((b" ", b"\n", b" \n", b".")), rng.choice((*SPACES, b",", b".")))


_TEXT: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _cut, _drop, _double, _flip, _insert, _swap_token, _swap_space,
)  # fmt: skip

#: What lengths, rates and flags are set to.
_EXTREMES = (0, 1, 2, 3, 8, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


def damage_numbers(rng: random.Random, data: bytes, start: int, stop: int) -> bytes:
    """Bytes of which a number of two, four or eight bytes between two places is another."""
    size = rng.choice((2, 4, 8))
    at = rng.randint(start, max(start, stop - size))
    number = rng.choice((*_EXTREMES, rng.getrandbits(32))) % 2 ** (8 * size)
    return data[:at] + number.to_bytes(size, "little") + data[at + size :]


def damage_files(rng: random.Random, files: Files) -> Files:
    """An archive with one to three of its files damaged, renamed, gone or added to."""
    files = dict(files)
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(list(files))
        what = rng.random()
        if what < 0.3:
            files[name] = damage_text(rng, files[name])
        elif what < 0.4 and name.endswith(".wav"):
            data = damage_numbers(rng, files.pop(name), 0, 44)
            md5 = hashlib.md5(data).hexdigest().upper()
            files[f"{name.rpartition('/')[0]}/{md5}.wav"] = data
        elif what < 0.65:
            files[_renamed(rng, name)] = files.pop(name)
        elif what < 0.75:
            files[_renamed(rng, name)] = files[name]
        elif what < 0.85:
            del files[name]
        elif what < 0.92:
            files["simulation.json"] = rng.choice(JSON)
        else:
            _move_folder(rng, files, name)
        if not files:
            break
    return files


def _renamed(rng: random.Random, name: str) -> str:
    parts = name.split("/")
    at = rng.randrange(len(parts))
    parts[at] = rng.choice(
        (rng.choice(NAMES), parts[at].swapcase(), parts[at] + rng.choice(NAMES), rng.choice(parts))
    )
    return "/".join(parts)


def _move_folder(rng: random.Random, files: Files, name: str) -> None:
    parts = name.split("/")
    depth = rng.randint(1, len(parts))
    old, new = "/".join(parts[:depth]), _renamed(rng, "/".join(parts[:depth]))
    for moved in [moved for moved in files if moved.startswith(old)]:
        files[new + moved.removeprefix(old)] = files.pop(moved)


def damage_zip(rng: random.Random, data: bytes) -> bytes:
    """A zip with one to three of its headers damaged, or its bytes cut, moved or doubled."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        what = rng.random()
        if what < 0.6:
            starts = [at for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6") for at in _all(data, mark)]
            if starts:
                start = rng.choice(starts)
                data = damage_numbers(rng, data, start, start + 46)
        elif what < 0.85:
            data = _flip(rng, data)
        else:
            data = rng.choice((_cut, _drop, _double, _insert))(rng, data)
    return data


def _all(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found
