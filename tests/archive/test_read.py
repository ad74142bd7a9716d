import hashlib
import logging
from collections.abc import Callable

import numpy as np
import pytest

from aa1xr import ArchiveError
from aa1xr.archive import read
from aa1xr.archive.files import open_files
from aa1xr.archive.read import Archive
from aa1xr.archive.write import make_sound, wav_bytes
from tests.archive.read_all import read_all

CELL = "MLd_cells/a1_10_A"
PAIR = "Field_L_cells/a1_10_B"


def wav_names(files, type_):
    prefix = f"all_stims/{type_}/"
    return [name.removeprefix(prefix) for name in files if name.startswith(prefix)]


def test_archive__everything_is_read(tiny, pack, kind):
    first, second = wav_names(tiny, "conspecific")
    (ripple,) = wav_names(tiny, "flatrip")
    ramps = {first: [*range(40)], second: [*range(500, 540)], ripple: [*range(-20, 20)]}
    songs = [("conspecific", name, 32000, ramps[name]) for name in sorted((first, second))]
    sounds, cells = read_all(pack(tiny, kind))
    assert sounds == [*songs, ("flatrip", ripple, 32000, ramps[ripple])]
    spikes1, spikes2 = [-1999969, 0, 159375, 3000], [12500]
    assert cells == [
        ("a1_10_B", "Field_L", 7, "flatrip", ripple, [31], [1]),
        ("a1_10_A", "MLd", 1, "conspecific", second, spikes1, [3, 0, 1]),
        ("a1_10_A", "MLd", 2, "conspecific", first, spikes2, [0, 0, 1]),
        ("a1_10_A", "MLd", 1, "flatrip", ripple, [1000, 2000, -3125, 3997375], [2, 1, 1]),
    ]


@pytest.mark.parametrize(
    "top", ["aa1/", "data of mine/aa1/", "a/b/c/", "my_cells/", "all_stims/", "x\n_cells/\u202e/"]
)
def test_archive__a_folder_around_everything_changes_nothing(tiny, pack, kind, top):
    right = read_all(pack(tiny, kind))
    wrapped = {f"{top}{name}": data for name, data in tiny.items()}
    assert read_all(pack(wrapped, kind)) == right


def test_archive__cells_are_sorted_by_number_not_by_name(tiny, pack):
    for cell in ("a1_9_A", "b0_1", "a1_100_A", "a1_10"):
        tiny |= {name.replace("a1_10_A", cell): data for name, data in tiny.items() if CELL in name}
    with open_files(pack(tiny, "zip")) as files:
        cells = [cell for area, cell in Archive(files).cell_ids if area == "MLd"]
    assert cells == ["a1_9_A", "a1_10", "a1_10_A", "a1_100_A", "b0_1"]


# What is damaged, and what the message must name.

Files = dict[str, bytes]
Damage = Callable[[Files], object]


def remove(name: str) -> Damage:
    return lambda files: files.pop(name)


def put(name: str, data: bytes) -> Damage:
    return lambda files: files.update({name: data})


def move(old: str, new: str) -> Damage:
    def damage(files: Files) -> None:
        for name in [name for name in files if name.startswith(old)]:
            files[new + name.removeprefix(old)] = files.pop(name)

    return damage


def copy(old: str, new: str) -> Damage:
    return lambda files: files.update(
        {new + name.removeprefix(old): files[name] for name in files if name.startswith(old)}
    )


def same_wav_in_lower_case(files: Files) -> None:
    name = wav_names(files, "conspecific")[0]
    files[f"all_stims/conspecific/{name.lower()}"] = files[f"all_stims/conspecific/{name}"]


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def remove_wav(files: Files) -> None:
    del files[f"all_stims/conspecific/{wav_names(files, 'conspecific')[0]}"]


def same_wav_twice(files: Files) -> None:
    files[f"{CELL}/conspecific/stim2"] = files[f"{CELL}/conspecific/stim1"]


def point_to_the_other_type(files: Files) -> None:
    files[f"{CELL}/conspecific/stim2"] = files[f"{CELL}/flatrip/stim1"]


def change_a_wav(change: Callable[[bytes], bytes]) -> Damage:
    def damage(files: Files) -> None:
        name = f"all_stims/flatrip/{wav_names(files, 'flatrip')[0]}"
        files[name] = change(files[name])

    return damage


def other_rate(files: Files) -> None:
    samples = np.arange(9, dtype=np.int16)
    files[f"all_stims/flatrip/{make_sound('flatrip', samples, 44100).name}"] = wav_bytes(
        samples, 44100
    )


def stereo(files: Files) -> None:
    data = bytearray(wav_bytes(np.arange(8, dtype=np.int16), 32000))
    data[22] = 2  # channels
    data[32] = 4  # bytes in a frame
    files[f"all_stims/flatrip/{hashlib.md5(data).hexdigest().upper()}.wav"] = bytes(data)


def both_areas(files: Files) -> None:
    for name in [name for name in files if name.startswith(CELL)]:
        files[name.replace("MLd", "Field_L")] = files[name]


def second_archive(files: Files) -> None:
    files.update({f"copy/{name}": data for name, data in files.items()})


def keep(*tops: str) -> Damage:
    def damage(files: Files) -> None:
        for name in [name for name in files if not name.startswith(tops)]:
            del files[name]

    return damage


DAMAGES = {
    "spike gone": (remove(f"{CELL}/flatrip/spike1"), r"flatrip/stim1: has no spike1 beside it"),
    "stim gone": (remove(f"{PAIR}/flatrip/stim7"), r"flatrip/spike7: has no stim7 beside it"),
    "spike renamed": (move(f"{CELL}/conspecific/spike2", f"{CELL}/conspecific/spike3"),
     r"conspecific/(stim2|spike3): has no (spike2|stim3) beside it"),
    "wav gone": (remove_wav,
     r"conspecific/stim2: points to '[0-9A-F]{32}\.wav', which is not in all_stims/conspecific"),
    "wav of another type": (point_to_the_other_type,
     r"conspecific/stim2: points to .* not in all_stims/conspecific"),
    "wav twice": (same_wav_twice, r"conspecific/stim2: points to .*, as stim1 does"),
    "wav flipped": (change_a_wav(lambda data: data[:-1] + bytes([data[-1] ^ 1])),
     r"all_stims/flatrip/[0-9A-F]{32}\.wav: its MD5 is"),
    "wav truncated": (change_a_wav(lambda data: data[:-2]), r"flatrip/.*\.wav: its MD5 is"),
    "wav empty": (change_a_wav(lambda data: b""), r"flatrip/.*\.wav: its MD5 is D41D8CD98F"),
    "stereo": (stereo, r"flatrip/.*\.wav: 2 channel\(s\).*expected one channel"),
    "other rate": (other_rate, r"\.wav: sampled at \d+ Hz, but .*\.wav at \d+ Hz; expected one"),
    "bad token": (put(f"{PAIR}/flatrip/spike7", b"1.000 \n2.000 oops \n"),
     r"Field_L_cells/a1_10_B/flatrip/spike7, line 2: a spike time must be .*; got 'oops'"),
    "spike empty": (put(f"{PAIR}/flatrip/spike7", b""), r"flatrip/spike7: empty; expected a line"),
    "stim empty": (put(f"{PAIR}/flatrip/stim7", b""), r"flatrip/stim7: ''; expected the name"),
    "area": (move("MLd_cells", "mld_cells"), r"mld_cells/.*: unknown area 'mld'.*Field_L or MLd"),
    "type": (move(f"{CELL}/flatrip", f"{CELL}/ripples"),
     r"ripples/.*: unknown stimulus type 'ripples'; expected conspecific or flatrip"),
    "type of sound": (move("all_stims/flatrip", "all_stims/songrip"),
     r"all_stims/songrip/.*: unknown stimulus type 'songrip'"),
    "cell id": (move(CELL, "MLd_cells/a1"),
     r"MLd_cells/a1: 'a1' is not a neuron id; expected <animal>"),
    "cell number": (move(CELL, "MLd_cells/a1_x_A"), r"'a1_x_A' is not a neuron id"),
    "both areas": (both_areas, r"MLd_cells/a1_10_A: this cell is in Field_L_cells too"),
    "other case": (copy(CELL, "MLd_cells/A1_10_a"), r"a1_10_A: this cell is in .*, as A1_10_a"),
    "a zero": (copy(CELL, "MLd_cells/a1_010_A"), r"a1_10_A: this cell is in .*, as a1_010_A"),
    "a sound in other case": (same_wav_in_lower_case, r"conspecific/.*: is there as '.*' too"),
    "letters of no cell": (
        move(CELL, "MLd_cells/\u00e11_10_A"),
        r"'\u00e11_10_A' is not a neuron id",
    ),
    "control characters": (move(CELL, "MLd_cells/\x1b[2J_1"), r"_cells/\\x1b\[2J_1: '\\x1b"),
    "two archives": (second_archive, r"several archives, in .*copy/"),
    "no sounds": (keep("MLd", "Field_L"), r"empty archive; expected at least a wav file"),
    "no cells": (keep("all_stims"), r"empty archive; expected at least a cell"),
    "nothing": (keep("none"), r"empty archive"),
    "other things": (put("simulation.json", b"{"), r"simulation\.json: not JSON"),
    "no object": (put("simulation.json", b"[1]"), r"simulation\.json: expected a JSON object"),
    "no end of JSON": (put("simulation.json", b"[" * 10**5), r"simulation\.json: not JSON"),
    "JSON nested": (put("simulation.json", nested(900)), r"simulation\.json: not JSON|JSON object"),
    "JSON of NaN": (put("simulation.json", b'{"seed": NaN}'), r"expected a JSON object of whole"),
    "JSON of truth": (put("simulation.json", b'{"seed": true}'), r"object of whole numbers"),
    "JSON of half": (put("simulation.json", b'{"\\ud800": 1}'), r"object of whole numbers"),
    "JSON of digits": (put("simulation.json", b'{"seed": %b}' % (b"1" * 10**4)), r"not JSON"),
    "JSON without end": (put("simulation.json", b'{"seed": 1%b}' % bytes(2**20)),
     r"at most 1048576"),
    "JSON of bytes": (put("simulation.json", b'{"a": "\xff"}'), r"simulation\.json: not JSON"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "top"), [("zip", ""), ("folder", "aa1/")])
@pytest.mark.parametrize(("damage", "says"), DAMAGES.values(), ids=DAMAGES.keys())
def test_archive__damage_is_named(tiny, pack, kind, top, damage, says):
    damage(tiny)
    path = pack({f"{top}{name}": data for name, data in tiny.items()} | {"README": b""}, kind)
    with pytest.raises(ArchiveError, match=says) as info:
        read_all(path)
    assert str(path) in str(info.value)


def test_archive__an_empty_type_folder_is_logged(tiny, pack, kind, caplog):
    right = read_all(pack(tiny, kind))
    path = pack(tiny | {f"{PAIR}/conspecific/": b"", f"{PAIR}/conspecific/.DS_Store": b""}, kind)
    with caplog.at_level(logging.INFO, "aa1xr"):
        assert read_all(path) == right
    (record,) = caplog.records
    assert record.getMessage() == f"{path}: skipped {PAIR}/conspecific, an empty folder"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        (f"{CELL}/conspecific/notes.txt", logging.WARNING),
        (f"{CELL}/conspecific/stim01", logging.WARNING),
        (f"{CELL}/conspecific/Spike1", logging.WARNING),
        (f"{CELL}/stim1", logging.WARNING),
        (f"{CELL}/conspecific/old/stim1", logging.WARNING),
        ("all_stims/conspecific/x.mp3", logging.WARNING),
        ("all_stims/x.wav", logging.WARNING),
        ("MLd/a1_10_A/conspecific/stim1", logging.WARNING),
        ("README.txt", logging.DEBUG),
        ("docs/methods.pdf", logging.DEBUG),
    ],
)
def test_archive__what_is_no_data_is_skipped_and_logged(tiny, pack, kind, caplog, name, level):
    right = read_all(pack(tiny, kind))
    path = pack(tiny | {name: b"?"}, kind)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "aa1xr"):
        assert read_all(path) == right
    (record,) = caplog.records
    assert record.levelno == level
    assert str(path) in record.getMessage()
    assert name in record.getMessage()


def test_archive__says_whether_it_was_simulated(tiny, pack, kind):
    for simulation, content in ((None, {}), ({}, {"simulation.json": b"{}"})):
        with open_files(pack(tiny | content, kind)) as files:
            assert Archive(files).simulation == simulation


@pytest.mark.parametrize("extra", ["papers/place_cells/x.pdf", "b/all_stims/list.txt"])
def test_archive__documents_make_no_second_archive(tiny, pack, kind, extra):
    right = read_all(pack(tiny, kind))
    assert read_all(pack(tiny | {extra: b"?"}, kind)) == right


def test_archive__what_is_skipped_cannot_write_to_the_terminal(tiny, pack, kind, caplog):
    path = pack(tiny | {"\x1b[2J\u202e\nWARNING/stim1": b""}, kind)
    with caplog.at_level(logging.DEBUG, "aa1xr"):
        read_all(path)
    (record,) = caplog.records
    assert record.getMessage().isprintable()


def test_cells__no_more_spikes_than_fit_in_memory(tiny, pack, monkeypatch):
    path = pack(tiny, "zip")
    monkeypatch.setattr(read, "MOST_SPIKES", 9)
    assert read_all(path)
    monkeypatch.setattr(read, "MOST_SPIKES", 8)
    with pytest.raises(ArchiveError, match=rf"{CELL}: more than 8 spikes"):
        read_all(path)


def test_sounds__no_more_samples_than_fit_in_memory(tiny, pack, monkeypatch):
    path = pack(tiny, "zip")
    monkeypatch.setattr(read, "MOST_SAMPLES", 120)
    assert read_all(path)
    monkeypatch.setattr(read, "MOST_SAMPLES", 119)
    with pytest.raises(ArchiveError, match="all_stims: more than 119 samples"):
        read_all(path)


def test_cells__are_read_one_at_a_time(tiny, pack):
    # The last cell is damaged, which a reader that goes ahead would say too early.
    tiny[f"{CELL}/conspecific/spike1"] = b"oops\n"
    with open_files(pack(tiny, "zip")) as files:
        cells = Archive(files).cells()
        assert next(cells).id == "a1_10_B"
        with pytest.raises(ArchiveError, match="oops"):
            next(cells)
