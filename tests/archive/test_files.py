import os
import stat
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from aa1xr import ArchiveError, DataNotFoundError
from aa1xr.archive.files import identity, open_files
from aa1xr.archive.write import make_sound, wav_bytes
from tests.archive.read_all import read_all

JUNK = [
    "__MACOSX/all_stims/._conspecific", "__MACOSX/x", ".DS_Store", "a/.DS_Store", "a/._b",
    "a/b/Thumbs.db", "a/desktop.ini", "a/__MACOSX/b/c", "a/Icon\r",
    ".Trash-1000/files/all_stims/x", ".Trashes/501/x", "$RECYCLE.BIN/S-1-5-21/x",
    "System Volume Information/x", "lost+found/x", ".Spotlight-V100/x", "a/@eaDir/b@SynoEAStream",
    "a/b@SynoResource", "#recycle/x", ".stfolder/x", ".stversions/a/b", "a/~syncthing~b.tmp",
    "a/.syncthing.b.tmp", ".dropbox", ".dropbox.cache/x", ".849C9593-D756-4E56-8D6E-42412F2A707B",
    "a/b/data:Zone.Identifier", "Desktop.INI", "aa1-0123456789abcdef-v3.zarr/zarr.json",
    ".git/config", ".ipynb_checkpoints/x",
]  # fmt: skip


def test_open_files__gives_names_and_bytes(pack, kind):
    content = {"b/c.txt": b"2", "a": b"1", "b/d/e": b"", "b/not-.DS_Store.txt": b"3"}
    with open_files(pack(content, kind)) as files:
        assert files.names == sorted(content)
        assert {name: files.read(name) for name in files.names} == content
        assert files.empty_folders == []


def test_open_files__leaves_junk_out(pack, kind):
    path = pack({"a/b/data": b"1"} | dict.fromkeys(JUNK, b"junk"), kind)
    with open_files(path) as files:
        assert files.names == ["a/b/data"]


def test_open_files__says_which_folders_are_empty(pack, kind):
    # The second holds nothing but junk, the third something.
    content = {"a/empty/": b"", "a/junk/": b"", "a/junk/.DS_Store": b"", "a/full/": b""}
    with open_files(pack(content | {"a/full/data": b"1"}, kind)) as files:
        assert files.empty_folders == ["a/empty", "a/junk"]


def test_open_files__nothing_there(tmp_path):
    with (
        pytest.raises(DataNotFoundError, match=r"nowhere\.zip: no such file"),
        open_files(tmp_path / "nowhere.zip"),
    ):
        pass


@pytest.mark.parametrize("data", [b"PK", b"hello" * 100], ids=["PK", "text"])
def test_open_files__no_zip(tmp_path, data):
    path = tmp_path / "crcns-aa1.zip"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"crcns-aa1\.zip: not a complete zip.*fetch it again"):
        read_all(path)


def test_open_files__a_zip_truncated_anywhere_is_refused(tiny, pack):
    path = pack(tiny, "zip")
    data = path.read_bytes()
    assert read_all(path)
    for length in range(1, len(data), 3):
        path.write_bytes(data[:length])
        with pytest.raises(ArchiveError, match="not a complete zip"):
            read_all(path)


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("all_stims/flatrip", "all_wtims/flatrip"),  # as if it were a document
        ("all_stims/flatrip", "allostims/flatrip"),
        ("simulation.json", "simulatioo.json"),  # as if it were recorded
    ],
)
@pytest.mark.parametrize("top", ["", "aa1/"])
def test_open_files__a_damaged_name_is_refused(tiny, pack, name, damaged, top):
    # A sound that no cell heard would else be lost, unnoticed.
    samples = np.arange(7, dtype=np.int16)
    sound = f"all_stims/flatrip/{make_sound('flatrip', samples, 32000).name}"
    tiny |= {sound: wav_bytes(samples, 32000), "simulation.json": b"{}"}
    path = pack({f"{top}{name}": data for name, data in tiny.items()}, "zip")
    assert read_all(path)
    data = path.read_bytes()
    at = data.rfind(f"{top}{name}".encode()) + len(top)
    path.write_bytes(data[:at] + damaged.encode() + data[at + len(name) :])
    with pytest.raises(ArchiveError, match=rf"member '.*{damaged}.*' cannot be read .*differ"):
        read_all(path)


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/../../x", "a/..", "/etc/passwd", "a\\..\\..\\x", "..\\x",
        "\\\\host\\x", "C:/x", "C:x", "//host/x",
        "a//b", "a/./b", "a/.", "a//", "..", "../",
    ],
)  # fmt: skip
def test_open_files__a_member_outside_the_archive_is_refused(tiny, pack, name):
    path = pack(tiny | {name: b"1"}, "zip")
    with pytest.raises(ArchiveError, match="points outside the archive"):
        read_all(path)


def test_open_files__dots_in_names_are_no_climbing(tiny, pack):
    assert read_all(pack(tiny | {"a..b/..c/d..": b"1"}, "zip"))


def alter(path, change):
    """Change what the directory of a zip says of its members."""
    with zipfile.ZipFile(path, "a") as archive:
        for info in archive.filelist:
            change(info)
        archive.writestr("written-so-that-the-directory-is", b"")


def declare(size):
    def change(info):
        info.file_size = size

    return change


def make_a_link(info):
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def falsify_crc(info):
    info.CRC ^= 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (declare(64 * 2**20 + 1), r"stims.*unpacks to 67108865 bytes; expected at most 67108864"),
        (declare(2**40), r"stims.*unpacks to 1099511627776 bytes"),
        (declare(63 * 2**20), r"archive\.zip: unpacks to \d+ bytes, over 200 times its size"),
        (make_a_link, r"stims.*points outside the archive"),
        (falsify_crc, r"stims.*cannot be read.*Bad CRC-32.*fetch it again"),
        (declare(0), r"stims.*cannot be read.*Bad CRC-32"),
    ],
    ids=["large", "enormous", "ratio", "link", "crc", "declared empty"],
)
def test_open_files__a_member_that_cannot_be_right_is_refused(tiny, pack, change, says):
    path = pack(tiny, "zip")
    alter(path, change)
    with pytest.raises(ArchiveError, match=says):
        read_all(path)


def test_open_files__a_member_is_not_unpacked_beyond_what_it_declares(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50 * 2**20))
    alter(path, declare(10))
    with open_files(path) as files:
        tracemalloc.start()
        try:
            with pytest.raises(ArchiveError, match="bomb"):
                files.read("bomb")
            assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
        finally:
            tracemalloc.stop()


def test_open_files__a_long_name_takes_no_more_memory_than_it_has(tiny, pack):
    right = read_all(pack(tiny, "zip"))
    path = pack(tiny | {"a/" * 20_000 + "b": b"", "empty/": b""}, "zip")
    tracemalloc.start()
    try:
        assert read_all(path) == right
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


def test_open_files__a_deep_folder_is_read(tmp_path):
    deep = tmp_path
    for _ in range(1200):  # deeper than Python's stack
        deep = deep / "a"
        deep.mkdir()
    (deep / "b").write_bytes(b"1")
    try:
        with open_files(tmp_path) as files:
            assert files.names == ["a/" * 1200 + "b"]
            assert files.read(files.names[0]) == b"1"
    finally:
        # pytest, which would remove it later, runs out of stack too.
        (deep / "b").unlink()
        os.removedirs(deep)
        tmp_path.mkdir(parents=True, exist_ok=True)


def test_open_files__a_name_twice_is_refused(tiny, pack):
    path = pack(tiny, "zip")
    name = next(iter(tiny))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(name, b"other")
    with pytest.raises(ArchiveError, match=rf"member '{name}' is there twice"):
        read_all(path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")
class TestLinks:
    def test_open_files__a_linked_folder_is_refused(self, tiny, pack, tmp_path):
        path = pack(tiny, "folder")
        (path / "MLd_cells").rename(tmp_path / "elsewhere")
        (path / "MLd_cells").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ArchiveError, match=r"folder/MLd_cells: a link to a folder"):
            read_all(path)

    def test_open_files__a_linked_file_is_read(self, tiny, pack, tmp_path):
        path = pack(tiny, "folder")
        right = read_all(path)
        spike = path / "MLd_cells/a1_10_A/flatrip/spike1"
        spike.rename(tmp_path / "elsewhere")
        spike.symlink_to(tmp_path / "elsewhere")
        assert read_all(path) == right
        before = identity(path)
        (tmp_path / "elsewhere").write_bytes(b"1.000 2.000 3.000 \n")
        assert identity(path) != before

    @pytest.mark.parametrize("use", [read_all, identity])
    def test_open_files__a_link_to_nothing_is_refused(self, tiny, pack, use):
        path = pack(tiny, "folder")
        spike = path / "MLd_cells/a1_10_A/flatrip/spike1"
        spike.unlink()
        spike.symlink_to(path / "nowhere")
        with pytest.raises(ArchiveError, match="flatrip/spike1: "):
            use(path)

    @pytest.mark.parametrize("use", [read_all, identity])
    def test_open_files__a_pipe_for_an_archive_is_refused(self, tmp_path, use):
        os.mkfifo(tmp_path / "crcns-aa1.zip")
        with pytest.raises(ArchiveError, match=r"crcns-aa1\.zip: neither a file nor a folder"):
            use(tmp_path / "crcns-aa1.zip")

    def test_open_files__a_link_to_itself_is_no_folder(self, tiny, pack):
        path = pack(tiny, "folder")
        right = read_all(path)
        (path / "circle").symlink_to(path / "circle")
        assert read_all(path) == right

    def test_open_files__a_pipe_is_refused(self, tiny, pack):
        path = pack(tiny, "folder")
        spike = path / "MLd_cells/a1_10_A/flatrip/spike1"
        spike.unlink()
        os.mkfifo(spike)  # reading it would wait for ever
        with pytest.raises(ArchiveError, match="flatrip/spike1: not a regular file"):
            read_all(path)


def test_open_files__an_absurdly_large_file_is_refused(tiny, pack):
    path = pack(tiny, "folder")
    os.truncate(path / "MLd_cells/a1_10_A/flatrip/spike1", 64 * 2**20 + 1)
    with pytest.raises(ArchiveError, match="flatrip/spike1: larger than 67108864 bytes"):
        read_all(path)


def test_open_files__closes_the_zip(tiny, pack):
    with pytest.raises(RuntimeError), open_files(pack(tiny, "zip")) as files:
        raise RuntimeError
    with pytest.raises(ArchiveError, match="closed"):
        files.read(files.names[0])


def test_identity__is_of_the_content_of_a_zip(tiny, pack, tmp_path):
    path = pack(tiny, "zip")
    before = identity(path)
    moved = path.rename(tmp_path / "moved.zip")
    os.utime(moved, (1, 1))
    assert identity(moved) == before
    data = bytearray(moved.read_bytes())
    data[len(data) // 2] ^= 1
    moved.write_bytes(data)
    assert identity(moved) != before


def rewrite(path: Path) -> None:
    # Equal in size, later by a nanosecond.
    stat = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def lengthen(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(path.read_bytes() + b" ")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        rewrite,
        lengthen,
        Path.unlink,
        lambda path: path.rename(path.with_name("spike2")),
        lambda path: path.with_name("spike2").write_bytes(b""),
    ],
    ids=["rewritten", "longer", "removed", "renamed", "added"],
)
def test_identity__changes_with_any_file_of_a_folder(tiny, pack, change):
    path = pack(tiny, "folder")
    before = identity(path)
    assert identity(path) == before
    change(path / "MLd_cells/a1_10_A/flatrip/spike1")
    assert identity(path) != before


def test_identity__of_a_folder_survives_junk_and_a_move(tiny, pack, tmp_path):
    path = pack(tiny, "folder")
    before = identity(path)
    (path / "MLd_cells/.DS_Store").write_bytes(b"1")
    (path / "figure.png").write_bytes(b"1")  # what a user makes there
    (path / "aa1.zarr").mkdir()
    (path / "aa1.zarr" / "zarr.json").write_bytes(b"{}")
    assert identity(path.rename(tmp_path / "moved")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_identity__a_name_that_is_no_unicode(tiny, pack):
    path = pack(tiny, "folder")
    before = identity(path)
    (path / "MLd_cells" / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    assert identity(path) != before
    assert read_all(path)


def test_identity__nothing_there(tmp_path):
    with pytest.raises(DataNotFoundError, match="nowhere"):
        identity(tmp_path / "nowhere")


# As systems and programs pack and leave archives


@pytest.mark.parametrize("folders", [(), ("all_stims\\", "MLd_cells\\a1_10_A\\")])
def test_open_files__backslashes_are_read(tiny, pack, folders):
    # PowerShell 4 and .NET before 4.6.1; zipfile writes no backslash on Windows itself.
    right = read_all(pack(tiny, "zip"))
    path = pack({}, "zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*tiny.items(), *((folder, b"") for folder in folders)]:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = f"crcns-aa1\\{name}".replace("/", "\\")
            archive.writestr(info, data)
    assert read_all(path) == right


def test_open_files__two_names_of_one_place_are_refused(tiny, pack):
    name = next(iter(tiny))
    path = pack(tiny | {name.replace("/", "\\"): b"other"}, "zip")
    with pytest.raises(ArchiveError, match="is there twice"):
        read_all(path)


def test_open_files__junk_in_an_archive_changes_nothing(tiny, pack, kind):
    right = read_all(pack(tiny, kind))
    trash = {f".Trash-1000/files/aa1/{name}": data for name, data in tiny.items()}
    trash |= {f"@eaDir/{name}": b"" for name in tiny}
    # macOS keeps a file of its own beside every file, under the same names.
    beside = [f"{folder}/._{last}" for folder, _, last in (n.rpartition("/") for n in tiny)]
    trash |= dict.fromkeys([*beside, *(f"__MACOSX/{name}" for name in beside)], b"\0junk")
    assert read_all(pack(tiny | trash | dict.fromkeys(JUNK, b"junk"), kind)) == right


def test_open_files__a_folder_that_nobody_may_read_is_not_looked_into(tiny, pack, monkeypatch):
    path = pack(tiny | {"lost+found/": b"", "MLd_cells/lost+found/": b""}, "folder")
    right = read_all(path)
    scandir = os.scandir

    def refuse(folder):
        if "lost+found" in str(folder):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert read_all(path) == right


def test_open_files__what_icloud_holds_is_named(tiny, pack):
    name = "MLd_cells/a1_10_A/flatrip/spike1"
    del tiny[name]
    tiny["MLd_cells/a1_10_A/flatrip/.spike1.icloud"] = b"bplist00"
    with pytest.raises(ArchiveError, match=r"flatrip/spike1: in iCloud.*Download Now"):
        read_all(pack(tiny, "folder"))


@pytest.mark.parametrize(
    "copy",
    [
        "spike1 (conflicted copy 2026-01-01)", "spike1 (anna's conflicted copy 2026-01-01)",
        "spike1.sync-conflict-20260101-120000-ABCDEFG", "spike1-MYPC", "spike1 2", "spike1 (1)",
    ],
)  # fmt: skip
def test_open_files__copies_of_synchronisation_are_skipped_and_said(tiny, pack, caplog, copy):
    right = read_all(pack(tiny, "folder"))
    wav = next(name for name in tiny if name.endswith(".wav"))
    tiny[f"MLd_cells/a1_10_A/flatrip/{copy}"] = b"1.000 \n"
    tiny[wav.replace(".wav", f"{copy.removeprefix('spike1')}.wav")] = b"other"
    tiny["MLd_cells/a1_10_A (Case Conflict)/flatrip/spike1"] = b"other"
    assert read_all(pack(tiny, "folder")) == right
    assert len([record for record in caplog.records if "skipped" in record.getMessage()]) == 3


@pytest.mark.parametrize("name", ["crcns-aa1.zip", "crcns-aa1 (1).zip", "aa1.ZIP"])
def test_open_files__the_zip_that_is_all_a_folder_holds_is_read(tiny, pack, tmp_path, name):
    path = pack(tiny, "zip")
    folder = tmp_path / "downloads"
    (folder / ".hidden").mkdir(parents=True)
    (folder / "readme.txt").write_text("?")
    path.rename(folder / name)
    assert read_all(folder) == read_all(folder / name)
    assert identity(folder) == identity(folder / name)


def test_open_files__of_several_zips_none_is_guessed(tiny, pack, tmp_path):
    for name in ("one.zip", "two.zip"):
        pack(tiny, "zip").rename(tmp_path / name)
    with pytest.raises(ArchiveError, match=r"several zips, one\.zip, two\.zip; pass one"):
        read_all(tmp_path)
    pack(tiny, "zip").rename(tmp_path / "crcns-aa1 2.zip")  # the one by that name
    assert read_all(tmp_path)


def test_open_files__extracted_files_are_preferred_to_the_zip_beside_them(tiny, pack):
    path = pack(tiny, "folder")
    right = read_all(path)
    (path / "crcns-aa1.zip").write_bytes(b"another")
    assert read_all(path) == right


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"aa/crcns-aa1.zip": b"PK"}, r"holds aa/crcns-aa1\.zip: unpack that"),
        ({"crcns-aa1.tar.gz": b"?"}, r"holds crcns-aa1\.tar\.gz: unpack that"),
        ({"aa1.zarr/zarr.json": b"{}"}, r"aa1\.zarr|a Zarr store"),
    ],
)
def test_open_files__what_is_there_instead_of_data_is_said(pack, kind, content, says):
    with pytest.raises(ArchiveError, match=rf"empty archive.*{says}"):
        read_all(pack(content, kind))
