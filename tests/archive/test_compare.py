import json
import re
import struct
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aa1xr.archive import known
from aa1xr.archive.compare import Comparison
from aa1xr.archive.files import open_files
from aa1xr.archive.read import Archive
from aa1xr.archive.write import make_sound, wav_bytes
from aa1xr.store.blocks import read_block
from tests.archive.pretend_known import known_archive, known_files, pretend
from tests.archive.read_all import FakeFiles

CELL, PAIR = "MLd_cells/a1_10_A", "Field_L_cells/a1_10_B"


def compare(files):
    """What an archive lacks, as `build_store` finds it."""
    archive = Archive(files)
    comparison = Comparison(archive.cell_ids, archive.sound_names, archive.simulation)
    for cell, responses in zip(archive.cell_ids, read_block(archive).by_neuron(), strict=True):
        comparison.add(cell, *responses)
    return comparison.result()


@pytest.fixture
def aa1(tiny, pack, monkeypatch):
    """The tiny archive, which stands for all of AA1."""
    pretend(monkeypatch, known_archive(pack(tiny, "zip")))
    return tiny


def sounds(files, type_):
    return sorted(name for name in files if name.startswith(f"all_stims/{type_}/"))


def users(files, wav):
    """The stim and spike files of a sound."""
    stims = [name for name, data in files.items() if data.strip() == Path(wav).name.encode()]
    return [*stims, *(name.replace("/stim", "/spike") for name in stims)]


def without(files, *gone):
    return {name: data for name, data in files.items() if not name.startswith(gone)}


def test_compare__all_of_it(aa1):
    contents = compare(FakeFiles(aa1))
    assert contents.is_complete
    assert contents.statements == {}
    numbers = {"cells": 2, "stimuli": 3, "pairs": 4, "trials": 10}
    assert contents.found == contents.known == numbers
    assert contents.title.startswith("CRCNS AA1: ")


@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("top", ["", "a/b/"])
def test_compare__how_it_is_packed_changes_nothing(aa1, pack, kind, top):
    with open_files(pack({f"{top}{name}": data for name, data in aa1.items()}, kind)) as files:
        assert compare(files).statements == {}


def test_compare__the_text_of_a_file_changes_nothing(aa1):
    name = f"{CELL}/conspecific/spike1"
    assert aa1[name].endswith(b"\n3.000 \n")
    aa1[name] = aa1[name].replace(b" \n3.000 \n", b"\r\n3\n").replace(b" ", b"\t")
    wavs = {wav.lower().encode(): wav for wav in map(str, aa1) if wav.endswith(".wav")}
    lower = {
        name.rpartition("/")[0] + "/" + name.rpartition("/")[2].lower() if name in wavs.values()
        else name: data.lower() if "/stim" in name else data
        for name, data in aa1.items()
    }  # fmt: skip
    assert compare(FakeFiles(lower)).statements == {}


def test_compare__what_is_missing(aa1):
    first, second = sounds(aa1, "conspecific")
    (ripple,) = sounds(aa1, "flatrip")
    wav = Path(first).name
    for gone, says in (
        ([CELL], "cell a1_10_A (MLd)"),
        ([PAIR], "cell a1_10_B (Field_L)"),
        ([f"{CELL}/conspecific"], "; ".join(
            f"all responses to stimulus {Path(name).name} (conspecific)"
            for name in (first, second))),
        ([f"{CELL}/flatrip"], "all 1 flatrip responses of cell a1_10_A (MLd)"),
        ([first, second, f"{CELL}/conspecific"], "all 2 conspecific stimuli"),
        ([first, *users(aa1, first)], f"stimulus {wav} (conspecific)"),
        (users(aa1, first), f"all responses to stimulus {wav} (conspecific)"),
        ([ripple, *users(aa1, ripple)], "all 1 flatrip stimuli; cell a1_10_B (Field_L)"),
    ):  # fmt: skip
        contents = compare(FakeFiles(without(aa1, *gone)))
        assert contents.statements == {"missing": says}
        assert contents.title.startswith("part of CRCNS AA1 (")
        assert not contents.is_complete


def test_compare__a_single_pair_of_several_cells(aa1, monkeypatch, pack):
    for name in [name for name in aa1 if name.startswith(CELL)]:
        aa1[name.replace("a1_10_A", "b2_3")] = aa1[name]
    pretend(monkeypatch, known_archive(pack(aa1, "zip")))
    (wav,) = (aa1[f"{CELL}/conspecific/stim1"].decode().split(),)
    gone = [f"{CELL}/conspecific/stim1", f"{CELL}/conspecific/spike1"]
    contents = compare(FakeFiles(without(aa1, *gone)))
    says = f"the response of cell a1_10_A (MLd) to {wav[0]} (conspecific)"
    assert contents.statements == {"missing": says}
    assert "(3 of 3 cells, 3 of 3 stimuli, 6 of 7 pairs, 16 of 19 trials)" in contents.title


def test_compare__fewer_trials(aa1):
    aa1[f"{CELL}/flatrip/spike1"] = b"1.000 2.000 \n-3.125 \n"
    contents = compare(FakeFiles(aa1))
    assert contents.statements == {"missing": "trials of cell a1_10_A (MLd) (2 of 3 there)"}
    assert "9 of 10 trials" in contents.title


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("flatrip/spike1", lambda data: data.replace(b"2.000", b"2.001")),
        ("flatrip/spike1", lambda data: b"1.000 \n2.000 -3.125 \n3997.375 \n"),
        ("conspecific/spike2", lambda data: b"\n12.500 \n\n"),
        ("conspecific/spike2", lambda data: b"\n\n12.500 \n1.000 \n"),
    ],
    ids=["a time", "trials", "an empty trial", "one trial more"],
)
def test_compare__altered_responses_are_different(aa1, name, change):
    before = aa1[f"{CELL}/{name}"]
    aa1[f"{CELL}/{name}"] = change(before)
    assert aa1[f"{CELL}/{name}"] != before
    contents = compare(FakeFiles(aa1))
    assert contents.different == ["cell a1_10_A (MLd)"]
    assert contents.missing == []
    assert contents.title == "CRCNS AA1 with altered responses (1 of 2 cells)"


def test_compare__exchanged_responses_are_different(aa1):
    spikes = [f"{CELL}/conspecific/spike{number}" for number in (1, 2)]
    aa1[spikes[0]], aa1[spikes[1]] = aa1[spikes[1]], aa1[spikes[0]]
    assert compare(FakeFiles(aa1)).different == ["cell a1_10_A (MLd)"]


def test_compare__other_numbers_are_different(aa1):
    for kind in ("stim", "spike"):
        aa1[f"{PAIR}/flatrip/{kind}8"] = aa1.pop(f"{PAIR}/flatrip/{kind}7")
    assert compare(FakeFiles(aa1)).different == ["cell a1_10_B (Field_L)"]


def test_compare__more_than_is_known_is_fine_and_said(aa1):
    sound = make_sound("flatrip", np.arange(7, dtype=np.int16), 32000)
    more = dict(aa1)
    more[f"all_stims/flatrip/{sound.name}"] = wav_bytes(sound.samples, 32000)
    more[f"{CELL}/flatrip/stim9"] = sound.name.encode()
    more[f"{CELL}/flatrip/spike9"] = b"1.000 \n"
    more["MLd_cells/z9_1/flatrip/stim1"] = sound.name.encode()
    more["MLd_cells/z9_1/flatrip/spike1"] = b"1.000 \n"
    contents = compare(FakeFiles(more))
    assert contents.is_complete
    assert contents.title.startswith("CRCNS AA1: ")
    assert contents.additional == [
        f"stimulus {sound.name} (flatrip)",
        "responses of cell a1_10_A (MLd) to 1 more stimuli",
        "cell z9_1 (MLd)",
    ]
    # A pair of known stimuli that a cell of AA1 does not have is one more, too.
    more = aa1 | {
        f"{PAIR}/conspecific/{kind}1": aa1[f"{CELL}/conspecific/{kind}1"]
        for kind in ("stim", "spike")
    }
    contents = compare(FakeFiles(more))
    assert contents.is_complete
    assert contents.additional == ["responses of cell a1_10_B (Field_L) to 1 more stimuli"]


def test_compare__of_others_nothing_is_said(tiny):
    contents = compare(FakeFiles(tiny))
    assert contents.origin == "other"
    assert contents.statements == {}
    assert contents.warning("mine.zip") is None
    assert "unknown origin" in contents.title


def test_compare__one_known_sound_makes_it_a_part(tiny, monkeypatch):
    (ripple,) = sounds(tiny, "flatrip")
    stimuli = frozenset({("flatrip", Path(ripple).name)})
    cells = {("MLd", "x1_1"): ({"conspecific": 0, "flatrip": 10}, "0" * 16)}
    pretend(monkeypatch, known.KnownArchive(stimuli, cells))
    contents = compare(FakeFiles(tiny))
    assert contents.missing == ["cell x1_1 (MLd)"]
    assert "0 of 1 cells" in contents.title


# Simulations, whose simulation.json says what they hold


@pytest.fixture(scope="module")
def simulated(sample_archive):
    with zipfile.ZipFile(sample_archive) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_compare__a_simulation_is_complete(simulated):
    contents = compare(FakeFiles(simulated))
    assert contents.statements == {}
    assert contents.found == contents.known
    assert contents.title == "Simulated cells in the layout of CRCNS AA1"


def test_compare__a_part_of_a_simulation(simulated):
    for gone, says in (
        (("MLd_cells",), "all 6 cells of MLd"),
        (("MLd_cells/sim0000_2_A",), "cell sim0000_2_A (MLd)"),
        (("MLd_cells/sim0000_1_A/flatrip",),
         "all 5 flatrip responses of cell sim0000_1_A (MLd)"),
    ):  # fmt: skip
        contents = compare(FakeFiles(without(simulated, *gone)))
        assert contents.statements == {"missing": says}
        assert contents.title.startswith("part of a simulated archive (")
    wav = sounds(simulated, "conspecific")[0]
    contents = compare(FakeFiles(without(simulated, wav, *users(simulated, wav))))
    assert contents.missing == ["1 of 10 conspecific stimuli"]


@pytest.mark.parametrize("said", [{}, {"seed": 0}, {"n_neurons": -1}])
def test_compare__a_simulation_that_says_too_little(simulated, said):
    files = without(simulated, "MLd") | {"simulation.json": json.dumps(said).encode()}
    assert compare(FakeFiles(files)).statements == {}


def test_compare__an_absurd_simulation_takes_no_time(simulated):
    said = {"n_neurons": 10**30, "n_songs": 10, "n_ripples": 5, "n_trials": 10}
    contents = compare(FakeFiles(simulated | {"simulation.json": json.dumps(said).encode()}))
    assert contents.missing[-1] == f"{10**30 - 12 - 20} more cells"
    assert f"12 of {10**30} cells" in contents.title


# Whatever is left out or changed


@pytest.fixture(scope="module")
def simulated_as_aa1(simulated):
    return known_files(FakeFiles(without(simulated, "simulation.json")))


@given(data=st.data())
def test_compare__whatever_is_left_out_is_noticed(simulated, simulated_as_aa1, data):
    everything = without(simulated, "simulation.json")
    with pytest.MonkeyPatch.context() as patch:
        pretend(patch, simulated_as_aa1)
        pairs = sorted(name for name in everything if "/spike" in name)
        change = data.draw(st.sampled_from(["pairs", "cells", "time"]))
        if change == "time":
            name = data.draw(st.sampled_from(pairs))
            times = everything[name].split(b" ")
            if len(times) < 2:
                return
            at = data.draw(st.integers(0, len(times) - 2))
            digit = times[at][-1:]
            times[at] = times[at][:-1] + (b"1" if digit == b"0" else b"0")
            contents = compare(FakeFiles(everything | {name: b" ".join(times)}))
            assert contents.different == [_said(name)]
            return
        of = pairs if change == "pairs" else sorted({_folder(name) for name in pairs})
        gone = data.draw(st.lists(st.sampled_from(of), min_size=1, max_size=len(of) - 1))
        left = {
            name: content
            for name, content in everything.items()
            if name.replace("/stim", "/spike") not in gone and _folder(name) not in gone
        }
        contents = compare(FakeFiles(left))
        assert contents.missing
        n_left = sum("/spike" in name for name in left)
        assert contents.found["pairs"] == n_left < contents.known["pairs"]


def _folder(name):
    return name.rpartition("/")[0].rpartition("/")[0]


def _said(name):
    area, cell = name.split("/")[:2]
    return f"cell {cell} ({area.removesuffix('_cells')})"


# The real archive


@pytest.fixture(scope="module")
def real(real_archive):
    with zipfile.ZipFile(real_archive) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_aa1__is_the_real_archive(real):
    contents = compare(FakeFiles(real))
    assert contents.statements == {}
    assert contents.found == {"cells": 98, "stimuli": 30, "pairs": 2900, "trials": 29300}


def test_aa1__digests_are_those_of_the_text_files(real):
    """A second way, in plain Python: SHA-256 over names, sizes, numbers, counts and times."""
    cells = {}
    for name, data in real.items():
        if "/stim" in name and "_cells/" in name:
            *_, area, cell, type_, stim = name.split("/")
            spikes = real[name.replace("/stim", "/spike")].decode().split("\n")[:-1]
            key = area.removesuffix("_cells"), cell
            wav = data.decode().strip()
            cells.setdefault(key, []).append((type_, wav, int(stim[4:]), spikes))
    assert len(cells) == 98
    for cell, heard in cells.items():
        heard.sort()
        lines = [line.split() for *_, spikes in heard for line in spikes]
        times = [round(float(time) * 1000) for line in lines for time in line]
        numbers = [
            *(len(spikes) for *_, spikes in heard),
            *(number for _, _, number, _ in heard),
            *map(len, lines),
            *times,
        ]
        names = json.dumps([cell, [[type_, wav] for type_, wav, *_ in heard]]).encode()
        digest = sha256(names + struct.pack(f"<{len(numbers)}i", *numbers)).hexdigest()[:16]
        assert known.aa1().digest(cell) == digest, cell


@pytest.mark.parametrize(
    ("gone", "title", "missing"),
    [
        (r"/MLd_cells/", "49 of 98 cells, 30 of 30 stimuli, 1450 of 2900 pairs, 14650 of 29300",
         "all 49 cells of MLd"),
        (r"/gg0304_4_A/flatrip/(stim|spike)1$", "98 of 98 cells, 30 of 30 stimuli, 2899 of 2900",
         "the response of cell gg0304_4_A (MLd) to "),
        (r"/flatrip/", "96 of 98 cells, 20 of 30 stimuli, 1920 of 2900 pairs",
         "all 10 flatrip stimuli; cell pipu1018_2_B (Field_L); cell pipu1018_2_A (MLd)"),
    ],
)  # fmt: skip
def test_aa1__a_part_of_it(real, gone, title, missing):
    left = {name: data for name, data in real.items() if not re.search(gone, name)}
    contents = compare(FakeFiles(left))
    assert title in contents.title
    assert contents.statements["missing"].startswith(missing)
    assert contents.statements.keys() == {"missing"}
