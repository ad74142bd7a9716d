import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aa1xr import atomic
from aa1xr.atomic import atomic_write, discard, is_leftover, locked
from aa1xr.errors import WaitingWarning

PARTIAL = f".{'0' * 32}.aa1xr-partial."


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write__appears_at_the_end(tmp_path):
    target = tmp_path / "a.csv"
    with atomic_write(target) as partial:
        partial.write_text("all of it")
        assert partial.suffix == ".csv"
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert names(tmp_path) == ["a.csv"]


def test_atomic_write__or_not_at_all(tmp_path):
    def write():
        with atomic_write(tmp_path / "a") as partial:
            partial.mkdir()
            (partial / "half").write_text("half")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write()
    assert names(tmp_path) == []


def test_atomic_write__a_disk_that_is_full_says_which(tmp_path):
    def write():
        with atomic_write(tmp_path / "a"):
            raise OSError(
                errno.ENOSPC, "No space left on device"
            )  # as of a file that is written to

    with pytest.raises(OSError, match=r"No space left on device: '.*/a'"):
        write()


def test_atomic_write__makes_no_folder_for_it(tmp_path):
    # A store that has gone must not come back as an empty folder with a spectrogram.
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "gone" / "a"):
        pass
    assert names(tmp_path) == []


def test_atomic_write__is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    fsync = os.fsync

    def record(descriptor):
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        assert not (tmp_path / "a").exists() or done[-1] == str(tmp_path)
        fsync(descriptor)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", record)
    with atomic_write(tmp_path / "a") as partial:
        (partial / "c").mkdir(parents=True)
        (partial / "c" / "0").write_text("all of it")
    assert set(done[:-1]) == {str(partial), f"{partial}/c", f"{partial}/c/0"}
    assert done[-1] == str(tmp_path)


def test_atomic_write__the_second_of_two_writers_waits_and_is_refused(tmp_path):
    target = tmp_path / "a"
    outcome = []

    def second():
        try:
            with atomic_write(target) as partial:
                partial.write_text("second")
        except FileExistsError as error:
            outcome.append(error)

    thread = threading.Thread(target=second)
    with atomic_write(target) as partial:
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        partial.write_text("first")
    thread.join(30)
    assert len(outcome) == 1
    assert target.read_text() == "first"
    assert names(tmp_path) == ["a"]


# What killed writers left

CHILD = """
import sys
from pathlib import Path
from aa1xr.atomic import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """The lock of the name `held`, in another process."""
    command = [sys.executable, "-c", CHILD, str(tmp_path / "held")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_atomic_write__removes_what_killed_writers_left_in_the_folder(tmp_path):
    for name in ("a", "b.csv"):
        (tmp_path / f"{PARTIAL}{name}").mkdir()
        (tmp_path / f"{PARTIAL}{name}" / "c").write_text("half")
        (tmp_path / f".{name}.aa1xr-lock").touch()
    (tmp_path / f"{PARTIAL}c").write_text("half")
    (tmp_path / ".d.aa1xr-lock").touch()
    others = [".hidden", ".x.lock", "a.partial"]
    for name in others:
        (tmp_path / name).touch()
    with atomic_write(tmp_path / "a") as partial:
        partial.touch()
    assert names(tmp_path) == sorted([*others, "a"])


def test_atomic_write__leaves_alone_what_is_being_written(tmp_path, held):
    (tmp_path / f"{PARTIAL}held").write_text("half")
    with atomic_write(tmp_path / "a") as partial:
        partial.touch()
    assert names(tmp_path) == sorted([f"{PARTIAL}held", ".held.aa1xr-lock", "a"])
    held.kill()
    held.wait()
    with atomic_write(tmp_path / "b") as partial:
        partial.touch()
    assert names(tmp_path) == ["a", "b"]


def test_is_leftover__knows_ours():
    assert is_leftover(f"{PARTIAL}a.zarr")
    assert is_leftover(".a.zarr.aa1xr-lock")
    assert not any(map(is_leftover, ["a.zarr", ".DS_Store", "x.lock", f"x{PARTIAL}", "zarr.json"]))


# Locks


def test_locked__does_not_wait_unless_it_is_to(tmp_path, held):
    with pytest.raises(TimeoutError), locked(tmp_path / "held", wait=False):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_atomic_write__where_there_are_no_locks(tmp_path, monkeypatch, caplog, code):
    fcntl = pytest.importorskip("fcntl")

    def none(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    # It may be being written: nobody knows.
    (tmp_path / f"{PARTIAL}a").touch()
    with caplog.at_level(logging.WARNING), atomic_write(tmp_path / "a") as partial:
        partial.write_text("all of it")
    assert "has no locks" in caplog.text
    assert (tmp_path / "a").read_text() == "all of it"
    assert names(tmp_path) == sorted(["a", f"{PARTIAL}a"])


def test_locked__a_lock_of_another_user_can_be_used(tmp_path):
    before = os.umask(0o077)
    try:
        with locked(tmp_path / "a"):
            assert (tmp_path / ".a.aa1xr-lock").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


# In the place of what is there


def fill(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_atomic_write__replaces_a_folder_file_by_file(tmp_path, monkeypatch):
    target = tmp_path / "a"
    fill(target, {"zarr.json": "old", "x/c/0": "old", "stray/c/0": "old"})
    moved = []
    replace = type(target).replace

    def record(self, place):
        moved.append(place.relative_to(target).as_posix())
        # Whoever reads now finds each file.
        assert {"zarr.json", "x/c/0"} <= {
            path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()
        }
        return replace(self, place)

    monkeypatch.setattr(type(target), "replace", record)
    with atomic_write(target, replace=True) as partial:
        fill(partial, {"zarr.json": "new", "x/c/0": "new", "y": "new"})
    assert moved == ["x/c/0", "y", "zarr.json"]
    found = {p.relative_to(target).as_posix(): p.read_text() for p in target.rglob("*.json")}
    assert found == {"zarr.json": "new"}
    assert sorted(path.name for path in target.iterdir()) == ["x", "y", "zarr.json"]
    assert names(tmp_path) == ["a"]


def test_atomic_write__replaces_nothing_that_others_are_writing_there(tmp_path):
    target = tmp_path / "a"
    fill(target, {"zarr.json": "old", f"{PARTIAL}killed/c/0": "half", ".killed.aa1xr-lock": ""})
    with atomic_write(target / "b") as other:
        fill(other, {"c/0": "mine"})
        writing = names(target)
        with atomic_write(target, replace=True) as partial:
            fill(partial, {"zarr.json": "new"})
        assert names(target) == [name for name in writing if "killed" not in name]
        fill(other, {"zarr.json": "mine"})
    assert names(target) == ["b", "zarr.json"]
    assert names(target / "b") == ["c", "zarr.json"]
    assert (target / "b" / "c" / "0").read_text() == "mine"


def test_atomic_write__replaces_all_else_at_once(tmp_path, monkeypatch):
    # Who reads what goes finds no metadata of which a chunk has gone, or the reverse.
    target = tmp_path / "a"
    fill(target, {"zarr.json": "old", "x/c/0": "old", "x/c/1": "old", "b/zarr.json": "old"})
    gone = []
    rmtree = shutil.rmtree

    def record(path, **how):
        gone.append(not (target / "b").exists())
        rmtree(path, **how)

    monkeypatch.setattr(shutil, "rmtree", record)
    with atomic_write(target, replace=True) as partial:
        fill(partial, {"zarr.json": "new", "x/c/0": "new"})
    assert gone[0]
    assert names(target) == ["x", "zarr.json"]
    assert names(target / "x" / "c") == ["0"]


def test_discard__what_is_not_there(tmp_path):
    discard(tmp_path / "a")
    discard(tmp_path / "gone" / "a")
    assert names(tmp_path) == []


def test_atomic_write__replaces_nothing_if_there_is_an_error(tmp_path):
    target = tmp_path / "a"
    fill(target, {"zarr.json": "old"})

    def write():
        with atomic_write(target, replace=True) as partial:
            fill(partial, {"zarr.json": "new"})
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write()
    assert (target / "zarr.json").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("place", ["", "spike_time", "spike_time/c", "old", "new"])
def test_atomic_write__replaces_links_and_not_what_they_lead_to(tmp_path, place):
    # Also where there are no pipes; test_links.py has every kind of link.
    home, target = tmp_path / "home", tmp_path / "a.zarr"
    fill(home, {"thesis.txt": "years of work"})
    (target / "spike_time" / "c").mkdir(parents=True)
    if (target / place).exists():
        (target / place).rename(tmp_path / "aside")
    (target / place).symlink_to(home, target_is_directory=True)
    with atomic_write(target, replace=True) as partial:
        fill(partial, {"new": "new", "spike_time/c/0": "new"})
    assert [path.read_text() for path in home.iterdir()] == ["years of work"]
    assert not any(path.is_symlink() for path in (target, *target.rglob("*")))
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*")) == [
        *("new", "spike_time", "spike_time/c", "spike_time/c/0")
    ]


def test_atomic_write__replaces_folders_in_the_place_of_files(tmp_path):
    target = tmp_path / "a.zarr"
    (target / "new" / "deep").mkdir(parents=True)
    (target / "spike_time").write_text("a file")
    with atomic_write(target, replace=True) as partial:
        (partial / "spike_time").mkdir(parents=True)
        for file in ("new", "spike_time/0"):
            (partial / file).write_text("new")
    assert (target / "new").read_text() == (target / "spike_time" / "0").read_text() == "new"


def test_locked__says_for_what_it_waits(tmp_path, monkeypatch):
    monkeypatch.setattr("aa1xr.atomic._PATIENCE", 0.05)
    inside, done = threading.Event(), threading.Event()

    def hold():
        with locked(tmp_path / "a"):
            inside.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    threading.Timer(0.3, done.set).start()
    said = r"/a: another process is writing it.*Ctrl-C is safe"
    with pytest.warns(WaitingWarning, match=said), locked(tmp_path / "a"):
        pass
    holder.join()


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "日" * 85, "a\nb", "-"])
def test_atomic_write__names_as_long_as_may_be(tmp_path, name):
    target = tmp_path / name
    with atomic_write(target) as partial:
        partial.write_bytes(b"all")
        assert is_leftover(partial.name)
        assert sorted(path.name.endswith("aa1xr-lock") for path in tmp_path.iterdir()) == [0, 1]
        leftover = partial.with_name(partial.name.replace(partial.name[1:33], "0" * 32))
        leftover.write_bytes(b"of a killed writer")
    assert target.read_bytes() == b"all"
    target.unlink()
    with atomic_write(target) as partial:
        partial.write_bytes(b"again")
    assert [path.name for path in tmp_path.iterdir()] == [name]


# Windows, whose refusals are patched in: it moves and removes nothing that is open elsewhere


@pytest.fixture
def windows(monkeypatch):
    """The times that a rename is refused, by each number that is put into this list."""
    refusals = []

    def refusing(rename):
        def call(source, target):
            if refusals and refusals[0] > 0:
                refusals[0] -= 1
                raise PermissionError(errno.EACCES, "Access is denied", str(source))
            if rename is os_rename and os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, "exists", str(source))
            rename(source, target)

        return call

    os_rename = os.rename
    monkeypatch.setattr(atomic, "_WINDOWS", True)
    monkeypatch.setattr(atomic, "_HELD", 0.2)
    monkeypatch.setattr(os, "rename", refusing(os.rename))
    monkeypatch.setattr(os, "replace", refusing(os.replace))
    monkeypatch.setattr(os, "link", lambda *_: pytest.fail("Windows needs no hard links"))
    return refusals


def write(target, replace=False):
    with atomic_write(target, replace=replace) as partial:
        partial.write_text("new")


@pytest.mark.parametrize("replace", [False, True])
def test_atomic_write__on_windows_waits_for_a_reader(replace, windows, tmp_path):
    if replace:
        (tmp_path / "a").write_text("old")
    windows.append(3)
    write(tmp_path / "a", replace=replace)
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_atomic_write__on_windows_replaces_a_folder_that_is_read(windows, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "part").write_text("damaged")
    with atomic_write(tmp_path / "a", replace=True) as partial:
        partial.mkdir()
        (partial / "part").write_text("new")
        windows.append(2)
    assert (tmp_path / "a" / "part").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_atomic_write__on_windows_names_what_is_open_for_long(windows, tmp_path):
    (tmp_path / "a").write_text("old")
    windows.append(10**6)
    with pytest.raises(PermissionError, match=r"close it in other programs.*/a'$"):
        write(tmp_path / "a", replace=True)
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_atomic_write__on_windows_overwrites_nothing(windows, tmp_path):
    def write():
        with atomic_write(tmp_path / "a") as partial:
            partial.write_text("new")
            (tmp_path / "a").write_text("of another program")

    with pytest.raises(FileExistsError, match="a exists"):
        write()
    assert (tmp_path / "a").read_text() == "of another program"


def test_atomic_write__an_open_partial_hides_no_error(tmp_path, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "The file is being used by another process", str(path))

    def fail():
        with atomic_write(tmp_path / "a") as partial:
            partial.write_text("half")
            monkeypatch.setattr(Path, "unlink", refuse)
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    monkeypatch.undo()
    assert not (tmp_path / "a").exists()
    write(tmp_path / "b")  # and the next writer removes what was left
    assert [name for name in names(tmp_path) if "partial" in name] == []


def test_atomic_write__on_windows_syncs_files_opened_to_be_written(windows, tmp_path, monkeypatch):
    opened, synced = [], []
    os_open = os.open

    def record(path, flags, *mode, **options):
        opened.append(flags)
        return os_open(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", record)
    monkeypatch.setattr(os, "fsync", synced.append)
    with atomic_write(tmp_path / "a") as partial:
        partial.mkdir()
        (partial / "file").write_text("new")
        opened.clear()
    assert opened == [os.O_RDWR]  # no folder
    assert len(synced) == 1
