"""Links, pipes and folders in a store: rebuilt, copied, added to. What they lead to stays."""

import os

import pytest
import zarr
from zarr.storage import LocalStore

import aa1xr
from aa1xr import OwnerWarning, StoreError
from aa1xr.archive.write import write_archive
from aa1xr.store import locate
from aa1xr.store.layout import METADATA, seal
from aa1xr.store.read import Store
from tests.links_and_pipes import KINDS, no_waiting
from tests.store.conftest import ADDED, SOUNDS, add, cells, contents

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")

#: A name of each kind that the layout has.
NAMES = ("", METADATA, "area", f"area/{METADATA}", "area/c", "area/c/0", ADDED, f"{ADDED}/c/0/0/0")


def every_third(names, kinds):
    """Pairs in which each name and each kind is; `stress.links_and_pipes` tries them all."""
    return [(n, k) for i, n in enumerate(names) for j, k in enumerate(kinds) if (i + j) % 3 == 0]


# A rebuild


@pytest.mark.parametrize(("name", "kind"), every_third(NAMES, KINDS))
def test_rebuild__sets_links_aside(name, kind, archive, store, home):
    right = contents(store)
    add(store)
    home.put(kind, store / name)
    if name == "" and kind in ("hard link", "pipe"):  # something else than a store
        with no_waiting(), pytest.raises(FileExistsError, match=r"\.zarr exists"):
            locate.ensure_store(archive, data_dir=store.parent, rebuild=True)
        return
    with no_waiting():
        assert locate.ensure_store(archive, data_dir=store.parent, rebuild=True) == store
    assert contents(store) == right
    assert not any(path.is_symlink() for path in [store, *store.rglob("*")])
    Store(str(store)).check()
    assert [path.name for path in store.parent.iterdir()] == [store.name]


FOREIGN = (
    "thesis.txt",
    "area/thesis.txt",
    "area/c/thesis.txt",
    "area/c/0.bak",
    f"area/{METADATA}/thesis.txt",
    f"{ADDED}/thesis.txt",
    f"{METADATA}/thesis.txt",
    "spectrogram-notes/c/0",
    "notes/c/0",
    "\x1b[2J",
)


@pytest.mark.parametrize(
    ("name", "kind"), every_third(FOREIGN, ("link to a folder", "pipe", "folder", "file"))
)
def test_rebuild__refuses_what_is_not_of_the_layout(name, kind, archive, store, home):
    above = store / name
    for folder in [*above.parents][-1::-1]:
        if folder.is_file():
            folder.unlink()
    if kind == "file":
        above.parent.mkdir(parents=True, exist_ok=True)
        above.write_text("years of work")
    else:
        home.put(kind, above)
    before = sorted(path.relative_to(store) for path in store.rglob("*"))
    with no_waiting(), pytest.raises(StoreError, match=r"not part of a store.* move it") as error:
        locate.ensure_store(archive, data_dir=store.parent, rebuild=True)
    assert str(error.value).isprintable()
    assert sorted(path.relative_to(store) for path in store.rglob("*")) == before
    assert [path.name for path in store.parent.iterdir()] == [store.name]


def test_rebuild__refuses_what_came_in_the_meantime(archive, store, monkeypatch):
    identity = locate.identity(archive)

    def slow(path):
        (store / "thesis.txt").write_text("years of work")
        return identity

    monkeypatch.setattr("aa1xr.store.build.identity", slow)
    with pytest.raises(StoreError, match=r"holds 'thesis\.txt'"):
        locate.ensure_store(archive, data_dir=store.parent, rebuild=True)
    assert (store / "thesis.txt").exists()


@pytest.fixture
def other(store, tmp_path):
    """The sealed store of another archive, under the name of the one of this."""
    path = write_archive(tmp_path / "other.zip", SOUNDS, cells(shift=1))
    built = locate.ensure_store(path, data_dir=tmp_path / "others")
    store.rename(tmp_path / "aside")
    built.rename(store)
    return store


@pytest.mark.parametrize("rebuild", [False, True])
def test_ensure_store__of_another_archive_by_the_name_of_this(rebuild, archive, other):
    before = contents(other)
    with pytest.raises(StoreError, match=r"\.zarr.* of another archive \(SHA-256 [0-9a-f]{64}"):
        aa1xr.open(archive, data_dir=other.parent, rebuild=rebuild)
    assert contents(other) == before


# What is carried off


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["LICENSE.txt", "area/c/1", "notes/zarr.json", f"{ADDED}/c/0/0/0"])
def test_copy_store__takes_no_other_names(name, kind, store, home, tmp_path):
    right = contents(store)
    add(store)
    home.put(kind, store / name)
    with no_waiting():
        aa1xr.copy_store(store, tmp_path / "copy.zarr")
    found = contents(tmp_path / "copy.zarr")
    assert {name: found[name] for name in right} == right
    assert {name.partition("/")[0] for name in found.keys() - right.keys()} <= {ADDED}
    assert not any(b"years of work" in data for data in found.values() if type(data) is bytes)


@pytest.mark.parametrize("name", [ADDED, "notes"])
@pytest.mark.parametrize("kind", ["link to a file", "file"])
def test_copy_store__takes_no_foreign_array(name, kind, store, home, tmp_path):
    # Without codecs any file is a chunk.
    size = home.file.stat().st_size
    zarr.create_array(
        LocalStore(store), name=name, shape=(size,), chunks=(size,), dtype="uint8",
        compressors=None, zarr_format=3,
    )  # fmt: skip
    metadata = store / name / METADATA
    metadata.write_bytes(seal(metadata.read_bytes()))
    chunk = store / name / "c" / "0"
    chunk.parent.mkdir()
    if kind == "file":
        chunk.write_bytes(home.file.read_bytes())
    else:
        home.put(kind, chunk)
    aa1xr.copy_store(store, tmp_path / "copy.zarr")
    if kind != "file" or name != ADDED:
        assert not (tmp_path / "copy.zarr" / name).exists()


# What is added


@pytest.mark.parametrize("kind", [*KINDS, "folder"])
@pytest.mark.parametrize("name", [ADDED, f".{ADDED}.aa1xr-lock"])
def test_add__goes_through_no_link(name, kind, store, home):
    home.put(kind, store / name)
    before = contents(store)
    with no_waiting():
        try:
            add(store)
        except OSError:
            assert kind == "folder"
            assert (store / name / "thesis.txt").read_text() == "years of work"
        else:
            assert kind == "folder" or Store(str(store)).read_added(ADDED) is not None
    after = contents(store)
    assert {name: after[name] for name in before if ADDED not in name} == {
        name: data for name, data in before.items() if ADDED not in name
    }


# Of another user

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to be two users"
)
OTHER = 12345


@needs_root
@pytest.mark.parametrize("name", ["", METADATA])
def test_find_store__says_whose_it_is(name, archive, store):
    os.chown(store / name, OTHER, OTHER)
    with pytest.warns(OwnerWarning, match=rf"{store} belongs to user {OTHER}, who can change"):
        aa1xr.open(archive, data_dir=store.parent)
    aa1xr.open(archive, data_dir=store.parent)  # once
    aa1xr.open(store)  # by its own name: the user chose it


@needs_root
def test_find_store__says_nothing_of_root(archive, store):
    os.chown(archive, OTHER, OTHER)
    aa1xr.open(archive, data_dir=store.parent)
