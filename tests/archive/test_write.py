import hashlib
import zipfile

import numpy as np
import pytest

from aa1xr.archive.read import Cell, Recording
from aa1xr.archive.write import make_sound, spike_text, wav_bytes, write_archive
from tests.small_archives import recording

SOUND = make_sound("flatrip", np.arange(-5, 5, dtype=np.int16), 32000)


def cells():
    yield Cell("a1_1_A", "MLd", [recording(1, SOUND, [[-1999969, 0, 159375], [], [3000]])])
    yield Cell("a1_1_B", "Field_L", [recording(12, SOUND, [[], [-1]])])


EXPECTED = {
    "notes.txt": b"some notes",
    f"all_stims/flatrip/{SOUND.name}": wav_bytes(SOUND.samples, 32000),
    "MLd_cells/a1_1_A/flatrip/stim1": f"{SOUND.name}\n".encode(),
    "MLd_cells/a1_1_A/flatrip/spike1": b"-1999.969 0.000 159.375 \n\n3.000 \n",
    "Field_L_cells/a1_1_B/flatrip/stim12": f"{SOUND.name}\n".encode(),
    "Field_L_cells/a1_1_B/flatrip/spike12": b"\n-0.001 \n",
}
EXTRA = {"notes.txt": b"some notes"}


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_spike_text__as_crcns_wrote_it():
    written = spike_text(recording(1, SOUND, [[-1500, 0], [], [999, 3997375]]))
    assert written == b"-1.500 0.000 \n\n0.999 3997.375 \n"


def test_make_sound__is_named_by_its_md5():
    data = wav_bytes(SOUND.samples, 32000)
    assert data[:4] == b"RIFF"
    assert data[44:] == SOUND.samples.astype("<i2").tobytes()
    assert SOUND.name == hashlib.md5(data).hexdigest().upper() + ".wav"


def test_write_archive__zip(tmp_path):
    path = write_archive(tmp_path / "new" / "x.zip", [SOUND], cells(), extra=EXTRA)
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == EXPECTED
        assert len(archive.namelist()) == len(EXPECTED)
    assert names(path.parent) == ["x.zip"]


def test_write_archive__folder(tmp_path):
    path = write_archive(tmp_path / "new" / "x", [SOUND], cells(), extra=EXTRA)
    found = {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert found == EXPECTED
    assert names(path.parent) == ["x"]


def test_write_archive__equal_content_gives_equal_bytes(tmp_path, monkeypatch):
    first = write_archive(tmp_path / "1.zip", [SOUND], cells(), extra=EXTRA)
    # The time of writing must not be in it.
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    second = write_archive(tmp_path / "2.zip", [SOUND], cells(), extra=EXTRA)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["x.zip", "x"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_write_archive__nothing_is_left_of_a_failure(tmp_path, name, error):
    def failing():
        yield from cells()
        # By now most is written, and under another name.
        assert len([part for part in names(tmp_path) if part.endswith(f"partial.{name}")]) == 1
        assert not (tmp_path / name).exists()
        raise error

    with pytest.raises(error):
        write_archive(tmp_path / name, [SOUND], failing())
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["x.zip", "x"])
def test_write_archive__what_is_there_is_kept(tmp_path, name):
    path = write_archive(tmp_path / name, [SOUND], cells())
    before = path.stat()
    with pytest.raises(FileExistsError, match=rf"{name} exists; remove it first"):
        write_archive(path, [SOUND], ())
    assert path.stat() == before
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("ending", ["", ".zip"])
@pytest.mark.parametrize("label", ["..", "../../x", "/x", "a\\..\\x", ""])
def test_write_archive__a_label_leads_nowhere(label, ending, tmp_path):
    # As of a store that somebody else made.
    cell = Cell(label, "MLd", [])
    cell.recordings.append(
        Recording(1, "flatrip", f"{32 * '0'}.wav", np.array([], np.int32), np.array([0], np.int32))
    )
    folder = tmp_path / "a" / "b"
    with pytest.raises(ValueError, match="must be a name below the archive's folder"):
        write_archive(folder / f"out{ending}", [], [cell])
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b"]
