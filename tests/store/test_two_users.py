"""Two real users, one of whom puts things where the other writes. Needs root, to be both.

test_links.py has what does not depend on who made a link.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.links_and_pipes import Home

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to be two users"
)

ALICE, MALLORY, GROUP = 12345, 23456, 34567

#: Forks for each piece of work, which is then Alice's. All is imported before, as root: nobody else
#: may import from where this environment is.
SERVER = """
import io, json, os, sys, traceback
from pathlib import Path
import aa1xr
import xarray
from aa1xr.atomic import atomic_write
from stress.processes import import_what
from xarray.namedarray.parallelcompat import list_chunkmanagers
# What xarray finds among the installed packages, and then keeps.
xarray.backends.list_engines(), list_chunkmanagers()
first = True
for line in sys.stdin:
    work, warm, archive, folder, alice, group = json.loads(line)
    if first:
        import_what(lambda: str(aa1xr.open(archive, data_dir=warm)))
        first = False
    if os.fork() == 0:
        sys.stderr, failed = io.StringIO(), False
        try:
            folder = Path(folder)
            os.umask(0o022)
            os.setgroups([group])
            os.setgid(group)
            os.setuid(alice)
            exec(work)
        except BaseException:
            traceback.print_exc()
            failed = True
        print(json.dumps([failed, sys.stderr.getvalue()]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, "-c", SERVER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def shared():
    """A folder of Alice and Mallory; pytest's own let no other user through."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="aa1xr-") as name:
        place = Path(name)
        place.chmod(0o755)
        folder = place / "shared"
        folder.mkdir()
        os.chown(folder, 0, GROUP)
        folder.chmod(0o2775)
        yield folder


@pytest.fixture
def home(shared):
    """Alice's own."""
    home = Home(shared.parent / "home")
    for path in [home.folder, *home.folder.rglob("*")]:
        os.chown(path, ALICE, ALICE)
    yield home
    home.check()


@pytest.fixture
def as_alice(server, shared, archive):
    """Let Alice work in the shared folder: whether it failed, and what was said."""
    given = shared.parent / "given.zip"
    given.write_bytes(archive.read_bytes())

    def call(work):
        paths = [str(path) for path in (shared.parent / "warm", given, shared)]
        print(json.dumps([work, *paths, ALICE, GROUP]), file=server.stdin, flush=True)
        return json.loads(server.stdout.readline())

    return call


def by_mallory(path):
    os.chown(path, MALLORY, GROUP, follow_symlinks=False)


BUILD = "aa1xr.open(archive, data_dir=folder)"
REBUILD = "aa1xr.open(archive, data_dir=folder, rebuild=True)"


@pytest.mark.parametrize("kind", ["link to a folder", "pipe"])
def test_two_users__a_link_in_the_place_of_a_store(kind, as_alice, shared, home):
    failed, said = as_alice(BUILD)
    assert not failed, said
    (store,) = shared.glob("*.zarr")
    names = sorted(path.name for path in store.iterdir())
    home.put(kind, store)
    by_mallory(store)
    failed, said = as_alice(REBUILD)
    if kind == "pipe":
        assert "FileExistsError" in said
        return
    assert not failed, said
    assert not store.is_symlink()
    assert store.stat().st_uid == ALICE
    assert sorted(path.name for path in store.iterdir()) == names


@pytest.mark.parametrize(
    ("mode", "what"), [(0o2775, "folder"), (0o2775, "link"), (0o1777, "file"), (0o1777, "link")]
)
def test_two_users__what_the_other_left_stops_nobody(mode, what, as_alice, shared, home):
    # In a folder like /tmp (1777), nobody removes what is another's.
    shared.chmod(mode)
    left = shared / f".{'0' * 32}.aa1xr-partial.a.csv"
    if what == "file":
        left.write_text("half")
    else:
        home.put({"link": "link to a folder"}.get(what, what), left)
    lock = shared / ".a.csv.aa1xr-lock"
    lock.touch()
    lock.chmod(0o666)
    for path in (left, lock):
        by_mallory(path)
    # filelock takes no lock of another user in a folder like /tmp.
    names = ("b.csv", "a.csv") if mode == 0o2775 else ("b.csv",)
    for name in names:
        work = f"with atomic_write(folder / '{name}') as partial:\n    partial.write_text('new')"
        failed, said = as_alice(work)
        assert not failed, said
    assert {(shared / name).read_text() for name in names} == {"new"}
    assert mode == 0o1777 or what == "folder" or not os.path.lexists(left)
