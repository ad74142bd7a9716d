"""Wav files, held against those of the archive."""

import hashlib
import zipfile

import pytest

import aa1xr


def check_are_of_the_archive(files, ds, archive):
    assert [file.name for file in files] == [f"{label}.wav" for label in ds.stimulus.values]
    with zipfile.ZipFile(archive) as members:
        wavs = {name.rpartition("/")[2]: name for name in members.namelist()}
        for file, name in zip(files, ds.name.values, strict=True):
            assert file.read_bytes() == members.read(wavs[name])
            digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
            assert f"{digest.upper()}.wav" == name


def test_to_wav__files_are_those_of_the_archive(sample_archive, ds, tmp_path):
    check_are_of_the_archive(aa1xr.to_wav(ds, tmp_path / "new" / "folder"), ds, sample_archive)
    # Whatever the bins are, and in the order of the selection.
    some = ds.isel(stimulus=[9, 0], neuron=0, time=slice(20, 40)).compute()
    check_are_of_the_archive(some.aa1.to_wav(tmp_path / "some"), some, sample_archive)
    (one,) = aa1xr.to_wav(ds.sel(stimulus="flatrip-02"), tmp_path / "one")
    assert one.read_bytes() == (tmp_path / "new" / "folder" / "flatrip-02.wav").read_bytes()


def test_to_wav__of_the_real_archive(real_archive, data_dir, tmp_path):
    ds = aa1xr.open(real_archive, data_dir=data_dir)
    check_are_of_the_archive(aa1xr.to_wav(ds, tmp_path), ds, real_archive)


def test_to_wav__overwrites_nothing(ds, tmp_path):
    mine = tmp_path / "flatrip-01.wav"
    mine.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"flatrip-01.wav exists"):
        aa1xr.to_wav(ds, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["flatrip-01.wav"]
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda ds: ds.isel(stimulus=[1, 1]), "stimulus must be unique.*'conspecific-01' occurs 2"),
        (lambda ds: ds.isel(stimulus=[]), "has no stimuli"),
        (lambda ds: ds.drop_vars("stimulus"), "no coordinate 'stimulus'"),
        (lambda ds: ds.rename(stimulus="sound"), "no coordinate 'stimulus'"),
    ],
)
def test_to_wav__refuses(ds, tmp_path, change, says):
    with pytest.raises(ValueError, match=says):
        aa1xr.to_wav(change(ds), tmp_path / "new")
    assert not (tmp_path / "new").exists()
