"""What names a place, and what does not."""

import errno
import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from aa1xr.errors import StoreError
from aa1xr.store import location
from aa1xr.store.location import is_path, is_url, options_for, resolve, resolve_path
from tests.odd_names import NAMES

HERE = os.getcwd()  # noqa: PTH109 - as a string


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("x.zarr", f"{HERE}/x.zarr"),
        ("/a/../b", "/a/../b"),  # what `..` means depends on links
        ("-x", f"{HERE}/-x"),
        ("a::b", f"{HERE}/a::b"),
        ("12:30/x", f"{HERE}/12:30/x"),
        ("~nobody-of-that-name/x", f"{HERE}/~nobody-of-that-name/x"),
        ("cost$", f"{HERE}/cost$"),
        (Path("/a b/ü"), "/a b/ü"),
        ("file:///a%20b/%C3%BC%25", "/a b/ü%"),
        ("file://localhost/a", "/a"),
        ("file:/a", "/a"),
        ("FILE:///a", "/a"),
        ("file:///100%/a#b?c", "/100%/a#b?c"),
        ("file:///a%ff", "/a\udcff"),
        ("local:///a/b", "/a/b"),
        ("s3://bucket/a%20b", "s3://bucket/a%20b"),
        ("memory://x/", "memory://x/"),
        ("simplecache::s3://b/x", "simplecache::s3://b/x"),
        ("simplecache::file:///a%20b", "simplecache::file:///a b"),
        ("zip://aa1.zarr::file:///a%20b.zip", "zip://aa1.zarr::file:///a b.zip"),
    ],
)
def test_resolve(given, expected):
    assert resolve("path", given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "got ''"),
        ("a\0b", "must be a path or URL"),
        (Path("s3://bucket/x"), "one slash after its colon"),
        ("https:/x.org/a.zarr", "one slash after its colon"),
        ("$SCRATCH/x", "not expanded"),
        ("${SCRATCH}", "not expanded"),
        ("file://x.zarr", "absolute path in a file URL"),
        ("file://server/x.zarr", "names the machine 'server'"),
    ],
)
def test_resolve__refuses(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        resolve("path", given)
    with pytest.raises(ValueError, match=message):
        resolve_path("path", given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("%USERPROFILE%\\x", "not expanded"),
        ("$HOME\\x", "not expanded"),
        ("~\\x", "home directory is not known"),
    ],
)
def test_resolve__refuses_on_windows(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(location, "_WINDOWS", True)
    with pytest.raises(ValueError, match=message):
        resolve("path", given)


@pytest.mark.parametrize(
    "path", ["C:\\data\\aa1.zarr", "C:/data", "\\\\server\\share\\x", "a\\b::c"]
)
def test_is_path__of_windows(path):
    assert is_path(path)
    assert is_path(str(PureWindowsPath(path)))


def test_resolve__home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("path", "~/x") == f"{tmp_path}/x"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(ValueError, match="home directory is not known"):
        resolve("path", "~/x")


def test_resolve__keeps_a_zarr_store():
    store = MemoryStore()
    assert resolve("path", store) is store
    assert not is_path(store)
    assert not is_url(store)
    with pytest.raises(ValueError, match="path must be a path of this machine"):
        resolve_path("path", store)


@pytest.mark.parametrize("name", NAMES)
def test_resolve__a_path_and_its_url_are_the_same(tmp_path, name):
    path = tmp_path / name
    assert resolve("path", path) == resolve("path", str(path)) == str(path)
    assert resolve("path", path.as_uri()) == str(path)
    assert resolve("path", path.as_uri().replace("file:", "local:")) == str(path)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_resolve__any_path_and_its_url_are_the_same(name):
    path = Path("/tmp", name, "x")
    assert resolve("path", path) == str(path)
    assert resolve("path", path.as_uri()) == str(path)


def test_options_for__another_package_for_s3(monkeypatch):
    pytest.importorskip("s3fs")
    assert options_for("s3://b/x", {})["max_concurrency"] == 1

    class Other:
        """Registered for S3, as obstore does."""

    monkeypatch.setattr("fsspec.get_filesystem_class", lambda protocol: Other)
    assert options_for("s3://b/x", {"region": "x"}) == {"region": "x"}


def test_open_object__on_windows(tmp_path, monkeypatch):
    """Windows follows links in opening, and opens no folder."""
    monkeypatch.setattr(location, "_WINDOWS", True)
    monkeypatch.setattr(location, "_FLAGS", os.O_RDONLY)
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    assert location.read_object(tmp_path, "file") == b"x"
    with pytest.raises(StoreError, match=r"link: every part of a store must be a file itself"):
        location.read_object(tmp_path, "link")

    def refuse(path, flags):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(IsADirectoryError):
        location.read_object(tmp_path, "folder")
    with pytest.raises(PermissionError, match="ask its owner"):
        location.read_object(tmp_path, "file")
