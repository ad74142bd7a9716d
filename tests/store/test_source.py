import shutil
from pathlib import Path

import pytest
from zarr.storage import LocalStore

import aa1xr
from aa1xr.store.source import check_store_url, find_folder, find_source


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/aa1.zarr", "memory://aa1.zarr", "https://host/aa1.zarr", "https://host/aa1.zarr/",
     "simplecache::s3://bucket/aa1.zarr", "zip://aa1.zarr::https://host/stores.zip",
     "zip://::/data/aa1.zarr.zip"],
)  # fmt: skip
def test_find_source__a_url_of_a_store_stays(url):
    assert find_source(url) == url


@pytest.mark.parametrize("path", ["aa1.zip", "/data/aa1.zarr", "C:/data/aa1.zip", "a: b/c.zip"])
def test_find_source__a_path_stays(path):
    assert find_source(path) == Path(path).absolute()


@pytest.mark.parametrize(
    "url",
    ["http://host/crcns-aa1.zip", "https://host/crcns-aa1.ZIP?token=secret", "s3://b/aa1.tar.gz",
     "memory://x/crcns-aa1.zip", "simplecache::https://host/crcns-aa1.zip", "gs://b/a.7z"],
)  # fmt: skip
def test_find_source__the_url_of_an_archive_says_to_download_it(url):
    with pytest.raises(ValueError, match="Download the archive, and open the copy on this") as info:
        find_source(url)
    assert "secret" not in str(info.value)
    assert "builds its store" not in str(info.value)  # as if it were to be passed to open


@pytest.mark.parametrize("url", ["https://host/aa1.zarr?token=secret", "http://h/a?X-Amz=secret"])
def test_find_source__a_signed_url_is_of_one_object(url):
    with pytest.raises(ValueError, match=r"is the URL of one object.*storage_options") as info:
        find_source(url)
    assert "secret" not in str(info.value)
    check_store_url("source", "s3://bucket/a?b.zarr")  # there, no query


@pytest.mark.parametrize("where", ["s3://bucket/aa1", "https://host/x", "memory://x", "s3:/bucket"])
@pytest.mark.parametrize("name", ["data_dir", "$AA1XR_DATA_DIR"])
def test_find_folder__a_url_is_refused(where, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is a URL; expected a folder of this machine") as info:
        find_folder(name, where)
    assert str(info.value).startswith(f"{name}=")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "where", ["$HOME/aa1", "${SCRATCH}/aa1", "/scratch/$USER/aa1", "%USERPROFILE%\\aa1", "a/$x"]
)
def test_find_folder__a_variable_that_nobody_expanded_is_refused(where):
    with pytest.raises(ValueError, match="a variable in it that was not expanded"):
        find_folder("data_dir", where)


def test_find_folder__a_folder_with_a_dollar_that_is_there(tmp_path):
    (tmp_path / "$cash").mkdir()
    assert find_folder("data_dir", tmp_path / "$cash") == tmp_path / "$cash"
    assert find_folder("data_dir", tmp_path / "share$") == tmp_path / "share$"


def test_find_folder__a_file_url_is_a_path(tmp_path):
    assert find_folder("data_dir", (tmp_path / "a b").as_uri()) == tmp_path / "a b"


@pytest.mark.parametrize("folder", ["data", "./data", "a/../data", ".", "~/data"])
def test_find_folder__is_absolute(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert find_folder("data_dir", folder) == tmp_path / folder.removeprefix("~/")


@pytest.mark.parametrize("place", ["data", "variable", "store", "zarr", "zip", "saved"])
def test_open__outlives_a_change_of_the_working_directory(
    place, sample_archive, sample_store, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(sample_archive, "cells.zip")
    if place == "variable":
        monkeypatch.setenv("AA1XR_DATA_DIR", "data")
        ds = aa1xr.open("cells.zip", dt_ms=50)
    elif place == "data":
        ds = aa1xr.open("cells.zip", dt_ms=50, data_dir="data")
    else:
        shutil.copytree(sample_store, "store.zarr", ignore=shutil.ignore_patterns("spectrogram-*"))
        if place == "zip":
            shutil.make_archive("stores", "zip", "store.zarr")
        places = {"zarr": LocalStore("store.zarr"), "zip": "zip://::stores.zip"}
        ds = aa1xr.open(places.get(place, "store.zarr"), dt_ms=50)
    if place == "saved":
        aa1xr.save(ds, "saved.zarr")
        ds = aa1xr.load("saved.zarr")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    ds[["psth", "spectrogram"]].compute()
    if place != "saved":
        assert len(aa1xr.to_pandas(ds.isel(neuron=[0])))
        assert len(aa1xr.to_pandas(ds.isel(neuron=[0]).compute()))
    assert list(Path.cwd().iterdir()) == []


def test_find_folder__no_home(monkeypatch):
    monkeypatch.setattr(Path, "expanduser", _no_home)
    with pytest.raises(ValueError, match=r"data_dir='~/aa1' begins with ~, but there is no such"):
        find_folder("data_dir", "~/aa1")


def _no_home(path):
    raise RuntimeError("Could not determine home directory.")
