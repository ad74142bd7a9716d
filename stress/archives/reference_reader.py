"""What an archive means, worked out a second time and slowly, sharing no code with the package.

Whatever the package accepts must be what is read here; and apart from odd wav headers, on which
the versions of Python differ, it must accept what is accepted here.
"""

import hashlib
import json
import struct
from fractions import Fraction

DIGITS = set("0123456789")
LETTERS = DIGITS | set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")
#: In lower case, since Windows and macOS do not tell one from the other.
JUNK = {
    "__macosx", "thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db",
    "desktop.ini", "icon\r", "lost+found", "$recycle.bin", "recycler", "recycled",
    "system volume information", "@eadir", "@recycle", "@recently-snapshot", "#recycle",
    "#snapshot", "network trash folder", "temporary items",
}  # fmt: skip
ENDINGS = ("@synoeastream", "@synoresource", ":zone.identifier")
CONFLICTS = (
    "conflicted copy", "case conflict", "selective sync conflict", ".sync-conflict-",
)  # fmt: skip
HEX = set("0123456789abcdefABCDEF")
AREAS = {"Field_L", "MLd"}
TYPES = {"conspecific", "flatrip"}


class Refused(Exception):  # noqa: N818 - it is an outcome, no error
    """It is no AA1 archive."""


def need(condition: object, why: str) -> None:
    if not condition:
        raise Refused(why)


def spikes(data: bytes) -> list[list[int]]:
    """The microseconds of each trial."""
    need(data.endswith(b"\n"), "cut off")
    need(len(data) <= 16 * 2**20, "large")
    lines = data.decode("latin-1").split("\n")[:-1]
    need(len(lines) <= 10_000, "many trials")
    return [
        [_microseconds(token) for token in _plain(line).replace("\t", " ").split(" ") if token]
        for line in lines
    ]


def _plain(line: str) -> str:
    return line.removesuffix("\r")


def _microseconds(token: str) -> int:
    sign, digits = (-1, token[1:]) if token.startswith("-") else (1, token)
    whole, point, decimals = digits.partition(".")
    need(1 <= len(whole) <= 7 and set(whole) <= DIGITS, "no number")
    need((1 <= len(decimals) <= 3) if point else not decimals, "decimals")
    need(set(decimals) <= DIGITS, "no decimals")
    exact = sign * Fraction(int(whole + decimals), 10 ** len(decimals)) * 1000
    need(exact.denominator == 1 and abs(exact) < 2**31, "beyond")
    return int(exact)


def stim(data: bytes) -> str:
    """The name that a pointer points to."""
    words = data.split()
    need(len(words) == 1 and words[0].isascii(), "no name")
    need(b"/" not in words[0] and b"\\" not in words[0], "a path")
    return words[0].decode()


def wav(data: bytes) -> tuple[int, list[int]]:
    """Sample rate and samples, of any RIFF file that has them in one channel of 16 bit."""
    need(data[:4] == b"RIFF" and data[8:12] == b"WAVE", "no RIFF")
    at, form = 12, b""
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])[0]
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = body
        elif name == b"data":
            need(len(form) >= 16, "no format")
            tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
            need(channels == 1 and 8 < bits <= 16 and tag in {1, 0xFFFE}, "another format")
            need(0 < rate <= 10**6, "rate")
            # As wave has it: a half sample at the end is none.
            n = size // 2
            need(0 < n <= len(body) // 2, "cut off")
            return rate, list(struct.unpack(f"<{n}h", body[: 2 * n]))
        at += 8 + size + size % 2
    raise Refused("no sound")


def archive(files: dict[str, bytes]) -> tuple[list[tuple], list[tuple]]:
    """All sounds and responses, as `tests.archive.reading.read_all` gives them."""
    data = {name: _place(name) for name in files if not _is_junk(name)}
    roots = {place[0] for place in data.values() if place}
    need(len(roots) <= 1, "several")
    root = "".join(roots)
    if root + "simulation.json" in data:
        simulation(files[root + "simulation.json"])
    sounds = {place[2:]: files[name] for name, place in data.items() if place and not place[1]}
    pairs: dict[tuple[str, str], dict[tuple[str, int], dict[str, bytes]]] = {}
    for name, place in data.items():
        if place and place[1]:
            _, area, cell, type_, kind, number = place
            need(area in AREAS and type_ in TYPES, "area or type")
            pairs.setdefault((area, cell), {}).setdefault((type_, number), {})[kind] = files[name]
    need(sounds and pairs, "empty")
    need(all(type_ in TYPES for type_, _ in sounds), "type")
    need(len({(t, name.lower()) for t, name in sounds}) == len(sounds), "a sound twice")
    ids = {key: _cell_id(key[1]) for key in pairs}
    need(len({(a.lower(), n, r.lower()) for a, n, r in ids.values()}) == len(pairs), "twice")
    read = [_sound(*key, sounds[key]) for key in sorted(sounds)]
    need(len({rate for _, _, rate, _ in read}) == 1, "rates")
    cells: list[tuple] = []
    for key in sorted(pairs, key=lambda key: (key[0], ids[key])):
        cells += _recordings(*key, pairs[key], set(sounds))
    return read, cells


def _is_junk(name: str) -> bool:
    if any(words in name.lower() for words in CONFLICTS):
        return True
    return any(
        (part.startswith(".") and part not in {".", ".."})
        or part.lower() in JUNK
        or part.lower().endswith(ENDINGS)
        or part.lower().startswith("~syncthing~")
        or (part.lower().endswith(".zarr") and part.lower() != ".zarr")
        for part in name.split("/")
    )


def _place(name: str) -> tuple | None:
    """(root, "", type, wav) of a sound, (root, area, cell, type, kind, K) of a response."""
    parts = name.split("/")
    if not all(parts[-4:][1:]):
        return None
    last = parts[-1]
    if parts[-3:-2] == ["all_stims"] and last.lower().endswith(".wav"):
        copy = (
            len(last) > 36
            and set(last[:32]) <= HEX
            and not (last[32].isascii() and last[32].isalnum())
        )
        return None if copy and last[32] != "." else (_join(parts[:-3]), "", parts[-2], last)
    kind = next((kind for kind in ("stim", "spike") if last.startswith(kind)), None)
    if kind is None or len(parts) < 4 or not parts[-4].endswith("_cells"):
        return None
    number, area = last[len(kind) :], parts[-4][: -len("_cells")]
    if not (area and 1 <= len(number) <= 9 and set(number) <= DIGITS and number[0] != "0"):
        return None
    return _join(parts[:-4]), area, parts[-3], parts[-2], kind, int(number)


def _join(parts: list[str]) -> str:
    return "".join(f"{part}/" for part in parts)


def simulation(data: bytes) -> None:
    """Whether that is a simulation.json, which says no more here."""
    need(len(data) <= 2**20, "large")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused("no JSON") from None
    need(type(found) is dict, "no object")
    need(all(type(value) is int and name.isascii() for name, value in found.items()), "no numbers")


def _cell_id(cell: str) -> tuple[str, int, str]:
    parts = cell.split("_")
    need(len(parts) in {2, 3} and all(parts), "no cell id")
    need(all(set(part) <= LETTERS for part in parts), "letters")
    need(set(parts[1]) <= DIGITS and len(parts[1]) <= 9, "no number")
    return parts[0], int(parts[1]), parts[2] if len(parts) == 3 else ""


def _sound(type_: str, name: str, data: bytes) -> tuple:
    need(name.lower() == hashlib.md5(data).hexdigest() + ".wav", "MD5")
    return type_, name, *wav(data)


def _recordings(area: str, cell: str, pairs: dict, known: set[tuple[str, str]]) -> list[tuple]:
    need(all(set(kinds) == {"stim", "spike"} for kinds in pairs.values()), "no pair")
    out, heard = [], set()
    for type_, number in sorted(pairs):
        name = stim(pairs[type_, number]["stim"])
        need((type_, name) in known and (type_, name) not in heard, "pointer")
        heard.add((type_, name))
        trials = spikes(pairs[type_, number]["spike"])
        times = [time for trial in trials for time in trial]
        out.append((cell, area, number, type_, name, times, [len(trial) for trial in trials]))
    return out
