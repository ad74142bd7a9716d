import hashlib
import re
import zipfile

import numpy as np
import pytest

from aa1xr import ArchiveError
from aa1xr.archive.parse import Sound
from aa1xr.archive.read import Cell
from aa1xr.archive.write import wav_bytes, write_archive
from aa1xr.store.locate import ensure_store
from aa1xr.store.read import Store
from tests.small_archives import recording
from tests.store.conftest import RIPPLE, contents
from tests.store.restore import restore_archive


def digests(path):
    """The stim, spike and wav files of a zip, by name; hashed, lest a failure print AA1."""
    with zipfile.ZipFile(path) as archive:
        return {
            match[0]: hashlib.sha256(archive.read(match.string)).hexdigest()
            for name in archive.namelist()
            if (match := re.search(r"(all_stims|[^/]+_cells)/.*[^/]$", name))
        }


@pytest.mark.parametrize(
    ("source", "n_files"), [("archive", 13), ("sample_archive", None), ("real_archive", 5830)]
)
def test_restore_archive__to_the_byte(source, n_files, request, data_dir, tmp_path):
    archive = request.getfixturevalue(source)
    store = Store(str(ensure_store(archive, data_dir=data_dir)))
    expected = digests(archive)
    assert n_files in {None, len(expected)}
    assert digests(restore_archive(store, tmp_path / "restored.zip")) == expected


def test_restore_archive__to_a_folder(archive, store, tmp_path):
    path = restore_archive(Store(str(store)), tmp_path / "restored")
    found = {name: hashlib.sha256(data).hexdigest() for name, data in contents(path).items()}
    assert found == digests(archive)


def test_restore_archive__what_was_simulated_remains_so(sample_archive, sample_store, tmp_path):
    path = restore_archive(Store(str(sample_store)), tmp_path / "restored.zip")
    with zipfile.ZipFile(path) as restored, zipfile.ZipFile(sample_archive) as archive:
        assert restored.read("simulation.json") == archive.read("simulation.json")


def test_restore_archive__a_wav_header_that_is_not_kept_is_refused(tmp_path):
    # A comment after the sound, as some programs write it.
    note = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    data = wav_bytes(RIPPLE.samples, 32000)
    data = data[:4] + (len(data) + len(note) - 8).to_bytes(4, "little") + data[8:] + note
    name = hashlib.md5(data).hexdigest().upper() + ".wav"
    archive = write_archive(
        tmp_path / "cells",
        [],
        [Cell("a1_1", "MLd", [recording(1, Sound("flatrip", name, 32000, RIPPLE.samples), [[1]])])],
    )
    (archive / "all_stims/flatrip").mkdir(parents=True)
    (archive / "all_stims/flatrip" / name).write_bytes(data)
    store = Store(str(ensure_store(archive, data_dir=tmp_path / "stores")))
    np.testing.assert_array_equal(store.read("waveform"), RIPPLE.samples)
    with pytest.raises(ArchiveError, match=rf"all_stims/flatrip/{name}: .*header"):
        restore_archive(store, tmp_path / "restored.zip")
    assert not list(tmp_path.glob("*restored*"))
