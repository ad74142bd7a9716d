"""The download, against a stand-in for CRCNS; `test_portal.py` has the login and the hosts."""

import errno
import hashlib
import io
import random
import shutil
import subprocess
import sys
import time
import traceback
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote_plus

import pytest

import aa1xr
from aa1xr import cli
from aa1xr.archive import download as module
from aa1xr.archive.download import ACCEPTED, download
from aa1xr.archive.files import ARCHIVE
from aa1xr.archive.partial import Part
from aa1xr.archive.session import DOWNLOADS, SITE
from aa1xr.errors import DownloadError
from aa1xr.store import locate
from tests.archive.download.crcns_server import (
    CHECKSUMS,
    CRCNS,
    FILELIST,
    LOGIN,
    PASSWORD,
    ZIP,
    Fault,
)

BROKEN = "the archive broke off"


def fetch(target: Path) -> None:
    download(target, accept_terms=True)


def failure(target: Path) -> str:
    """What a download that fails says; it must leave nothing under the archive's name."""
    with pytest.raises(DownloadError) as caught:
        fetch(target)
    assert not target.exists()
    return str(caught.value)


def left(target: Path) -> set[str]:
    """What lies beside the archive, but for what always does."""
    return {path.name for path in target.parent.iterdir()} - {ACCEPTED}


# From nothing to a Dataset


def test_open__download(crcns, target):
    data_dir = target.parent
    ds = aa1xr.open(download=True, accept_terms=True, data_dir=data_dir)
    assert dict(ds.sizes)["neuron"] == 2
    assert ds.attrs["source_sha256"] == hashlib.sha256(crcns.archive).hexdigest()
    assert target.read_bytes() == crcns.archive
    assert crcns.sent == len(crcns.archive)


def test_open__nothing_is_asked_for_when_all_is_there(crcns, target, monkeypatch, no_account):
    data_dir = target.parent
    aa1xr.open(download=True, accept_terms=True, data_dir=data_dir)
    crcns.requests.clear()
    monkeypatch.delenv("CRCNS_PASSWORD")
    aa1xr.open(download=True, data_dir=data_dir)  # archive and store
    (store,) = data_dir.glob("*.zarr")
    shutil.rmtree(store)
    aa1xr.open(download=True, data_dir=data_dir)  # an archive alone: it is verified
    target.unlink()
    aa1xr.open(download=True, data_dir=data_dir)  # a store alone
    assert crcns.requests == []


def test_open__a_damaged_archive_is_fetched_again(crcns, target, caplog):
    target.parent.mkdir()
    target.write_bytes(crcns.archive[:-1000])
    aa1xr.open(download=True, accept_terms=True, data_dir=target.parent)
    assert target.read_bytes() == crcns.archive
    assert "fetching it again" in caplog.text


def test_open__the_archive_differs_from_that_of_the_store(crcns, target, caplog, monkeypatch):
    data_dir = target.parent
    aa1xr.open(download=True, accept_terms=True, data_dir=data_dir)
    target.write_bytes(b"rotten")
    with CRCNS(commented(crcns.archive, b"second edition")) as second:
        monkeypatch.setenv("AA1XR_CRCNS_SITE", second.site)
        monkeypatch.setenv("AA1XR_CRCNS_DOWNLOADS", second.downloads)
        aa1xr.open(download=True, data_dir=data_dir)
    assert "by its SHA-256 another file than aa1-" in caplog.text
    assert len(list(data_dir.glob("aa1-*.zarr"))) == 2


def test_cli__download(crcns, target, capsys):
    arguments = ["download", "--accept-terms", "--data-dir", str(target.parent)]
    assert cli.main([*arguments, "--username", "finch"]) == 0
    (store,) = target.parent.glob("aa1-*.zarr")
    assert capsys.readouterr().out == f"{store}\n"
    assert cli.main(["download", "--data-dir", str(target.parent)]) == 0
    assert len(crcns.asked(ZIP)) == 1


def test_cli__download_fails(crcns, target, capsys):
    assert cli.main(["download", "--data-dir", str(target.parent)]) == 1
    assert "--accept-terms" in capsys.readouterr().err


# Terms


def test_download__terms_are_to_be_accepted(crcns, target):
    with pytest.raises(DownloadError) as caught:
        download(target)
    for part in ("may not be redistributed", "accept_terms=True", "--accept-terms"):
        assert part in str(caught.value)
    assert crcns.requests == []
    fetch(target)
    target.unlink()
    download(target)  # accepted before


def test_download__terms_are_shown_once_on_a_terminal(crcns, target, monkeypatch, capsys):
    monkeypatch.setattr(module, "on_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda: "")
    download(target)
    assert "may not be redistributed" in capsys.readouterr().err
    target.unlink()
    download(target)
    assert "may not be redistributed" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "raised"), [(KeyboardInterrupt, KeyboardInterrupt), (EOFError, DownloadError)]
)
def test_download__terms_are_not_accepted_by_leaving(key, raised, crcns, target, monkeypatch):
    def leave() -> str:
        raise key

    monkeypatch.setattr(module, "on_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", leave)
    with pytest.raises(raised):
        download(target)
    assert not target.parent.exists()
    assert crcns.requests == []


# Going on


@pytest.mark.parametrize("cut", [1, 8192, 100_001])
def test_download__goes_on_after_a_cut(cut, crcns, target, pauses):
    crcns.faults[ZIP] = [Fault(cut=cut), Fault(cut=cut)]
    fetch(target)
    assert target.read_bytes() == crcns.archive
    assert [request.start for request in crcns.asked(ZIP)] == [0, cut, 2 * cut]
    assert crcns.sent == len(crcns.archive)
    assert pauses == [1, 2]
    assert left(target) == {ARCHIVE}


@pytest.mark.parametrize(
    ("etag", "modified", "condition"),
    [
        ('"v1"', None, '"v1"'),
        ('W/"v1"', "Fri, 06 Nov 2009 08:00:00 GMT", "Fri, 06 Nov 2009 08:00:00 GMT"),
        ('W/"v1"', None, None),
        (None, None, None),
    ],
)
def test_download__asks_for_the_same_version(etag, modified, condition, crcns, target):
    crcns.etag, crcns.last_modified = etag, modified
    crcns.faults[ZIP] = [Fault(cut=1000)]
    fetch(target)
    second = crcns.asked(ZIP)[1]
    assert (second.start, second.headers.get("If-Range")) == (1000, condition)
    assert crcns.sent == len(crcns.archive)


def test_download__goes_on_in_a_later_call(crcns, target):
    crcns.faults[ZIP] = [Fault(cut=5000)] + [Fault(reset=True)] * 5
    assert "the next call goes on from there" in failure(target)
    fetch(target)
    assert target.read_bytes() == crcns.archive
    assert crcns.asked(ZIP)[-1].start == 5000


def test_download__starts_over_when_range_is_ignored(crcns, target):
    crcns.ranges = False
    crcns.faults[ZIP] = [Fault(cut=5000)]
    fetch(target)
    assert target.read_bytes() == crcns.archive
    assert crcns.sent == 5000 + len(crcns.archive)


def commented(archive: bytes, comment: bytes) -> bytes:
    """The same archive in a zip file with a comment."""
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as file:
        file.comment = comment
    return buffer.getvalue()


@pytest.mark.parametrize("validators", ["etag", "last_modified", "size"])
def test_download__starts_over_when_the_file_changed(
    validators, crcns, target, small_archive, monkeypatch
):
    crcns.etag = '"v1"' if validators == "etag" else None
    crcns.last_modified = "yesterday" if validators == "last_modified" else None
    crcns.faults[ZIP] = [Fault(cut=5000)] + [Fault(reset=True)] * 5
    failure(target)
    changed = commented(small_archive, b"second edition")
    with CRCNS(changed, etag=crcns.etag and '"v2"') as second:
        second.last_modified = crcns.last_modified and "today"
        monkeypatch.setenv("AA1XR_CRCNS_SITE", second.site)
        monkeypatch.setenv("AA1XR_CRCNS_DOWNLOADS", second.downloads)
        fetch(target)
    assert target.read_bytes() == changed
    *rests, last = second.asked(ZIP)
    assert last.sent == len(changed)
    # If-Range has the server send all of it at once; a size is only seen in the answer.
    assert len(rests) == (validators == "size")


@pytest.mark.parametrize(
    "note", [None, b"{", b"{}", b"[]", b"[" * 100_000, b'{"etag": 1}', b'{"size": "x"}']
)
def test_download__starts_over_from_a_part_of_nothing_known(note, crcns, target):
    target.parent.mkdir()
    part = Part(target)
    part.path.write_bytes(b"something else")
    if note is not None:
        part.path.with_name(f"{part.path.name}.json").write_bytes(note)
    fetch(target)
    assert target.read_bytes() == crcns.archive


def test_download__a_whole_part_is_not_asked_for_again(crcns, target, monkeypatch):
    def die(part: Part) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Part, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            fetch(target)
    fetch(target)
    assert target.read_bytes() == crcns.archive
    assert len(crcns.asked(ZIP)) == 1


def test_download__a_part_that_is_too_long_starts_over(crcns, target):
    crcns.faults[ZIP] = [Fault(cut=5000)] + [Fault(reset=True)] * 5
    failure(target)
    with Part(target).path.open("ab") as file:
        file.write(bytes(len(crcns.archive)))
    fetch(target)  # the range is answered with 416
    assert target.read_bytes() == crcns.archive


def test_download__no_length(crcns, target):
    crcns.lengths = False
    crcns.faults[ZIP] = [Fault(cut=5000)]  # only the file list tells that this is not all
    fetch(target)
    assert target.read_bytes() == crcns.archive
    assert [request.start for request in crcns.asked(ZIP)] == [0, 5000]


# Verification


@pytest.mark.parametrize("missing", [(FILELIST,), (CHECKSUMS,), (FILELIST, CHECKSUMS)])
def test_download__lists_that_are_not_served(missing, crcns, target):
    crcns.filelist = None if FILELIST in missing else crcns.filelist
    crcns.checksums = None if CHECKSUMS in missing else crcns.checksums
    fetch(target)
    assert target.read_bytes() == crcns.archive


def test_download__wrong_md5(crcns, target):
    crcns.checksums = f"{'0' * 32} *{ARCHIVE}\n"
    message = failure(target)
    assert "checksums.md5 of CRCNS says 000" in message
    assert "it was removed" in message
    assert "Fetch it once more" in message
    assert left(target) == set()


def test_download__wrong_size(crcns, target):
    crcns.filelist = f" {ARCHIVE} 1000\n"
    assert "expected at most 1000 bytes" in failure(target)
    crcns.filelist = f" {ARCHIVE} {len(crcns.archive) + 1}\n"
    assert f"filelist.txt of CRCNS says {len(crcns.archive) + 1}" in failure(target)
    assert left(target) == set()


def test_download__wrong_crc(crcns, target):
    crcns.filelist = crcns.checksums = None
    crcns.archive = flipped(crcns.archive)
    message = failure(target)
    assert "cannot be read" in message
    assert "Fetch it once more" in message
    assert left(target) == set()


def flipped(archive: bytes) -> bytes:
    """With one bit changed in the middle of the first member's data."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        info = file.infolist()[0]
    at = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    return archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]


def test_download__wav_with_another_md5(crcns, target):
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(crcns.archive)) as source,
        zipfile.ZipFile(buffer, "w") as changed,
    ):
        for name in source.namelist():
            data = source.read(name)
            changed.writestr(name, data[:-2] + b"\1\1" if name.endswith(".wav") else data)
    crcns.archive, crcns.filelist, crcns.checksums = buffer.getvalue(), None, None
    assert "the name of an AA1 wav file is its MD5" in failure(target)
    assert left(target) == set()


def test_download__not_a_zip(crcns, target):
    crcns.archive, crcns.filelist, crcns.checksums = b"see you later", None, None
    assert "not a complete zip file" in failure(target)


# Failures on the way


@pytest.mark.parametrize(
    ("fault", "says", "advises"),
    [
        (Fault(status=403), "403", "not approved yet"),
        (Fault(status=404), "404", "with a browser"),
        (Fault(status=410), "410 Gone", "with a browser"),
        (Fault(html=True), "an HTML page came", "Try again in a while"),
    ],
)
def test_download__what_no_retry_helps(fault, says, advises, crcns, target, pauses):
    crcns.faults[ZIP] = [fault]
    message = failure(target)
    assert says in message
    assert advises in message
    assert pauses == []


@pytest.mark.parametrize("path", [LOGIN, FILELIST, CHECKSUMS, ZIP])
@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429), Fault(reset=True)])
def test_download__what_passes(path, fault, crcns, target, pauses):
    crcns.faults[path] = [fault, fault]
    fetch(target)
    assert target.read_bytes() == crcns.archive
    assert pauses == [1, 2]


@pytest.mark.parametrize("path", [LOGIN, FILELIST, ZIP])
def test_download__out_of_order_for_good(path, crcns, target, pauses):
    crcns.faults[path] = [Fault(status=502)] * 100
    message = failure(target)
    assert "answers 502 Bad Gateway" in message
    assert "Tried 6 times in vain: try again later" in message
    assert len(crcns.asked(path)) == 6
    assert pauses == [1, 2, 4, 8, 16]


def test_download__time_out(crcns, target, monkeypatch, pauses):
    monkeypatch.setattr("aa1xr.archive.session.TIMEOUT", (5, 0.1))
    crcns.faults[ZIP] = [Fault(silence=0.3)] * 6
    message = failure(target)
    assert "did not answer in time" in message
    assert "try again later" in message


def test_download__time_out_in_the_body(crcns, target, monkeypatch):
    monkeypatch.setattr("aa1xr.archive.session.TIMEOUT", (5, 0.1))
    crcns.pause = 0.3  # after each piece, the first included
    message = failure(target)
    assert BROKEN in message
    assert "try again later" in message


def test_download__truncated_for_good(crcns, target):
    crcns.faults[ZIP] = [Fault(cut=100)] * 100
    message = failure(target)
    assert BROKEN in message
    assert "try again later" in message
    assert crcns.sent == 600
    assert Part(target).size == 600


def test_download__no_space(crcns, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**5))
    crcns.pause = 0.05  # or all of it may wait in the connection before we hang up
    message = failure(target)
    assert "0 MB are free" in message
    assert "data_dir= or $AA1XR_DATA_DIR" in message
    assert crcns.sent < len(crcns.archive)
    assert Part(target).size == 0


def test_download__disk_full_on_the_way(crcns, target, monkeypatch):
    append = Part.append

    def full(part: Part, data: bytes) -> None:
        if part.size > 50_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(part, data)

    with monkeypatch.context() as context:
        context.setattr(Part, "append", full)
        message = failure(target)
    assert "No space left on device" in message
    assert "Free some space" in message
    kept = Part(target).size
    fetch(target)
    assert crcns.asked(ZIP)[-1].start == kept > 50_000


# Other processes, and secrets

FETCH = """
import sys
from pathlib import Path
from aa1xr.archive.download import download
download(Path(sys.argv[1]), accept_terms=True)
"""


def start(target: Path) -> subprocess.Popen[bytes]:
    """A process that fetches the archive."""
    return subprocess.Popen([sys.executable, "-c", FETCH, target], stderr=subprocess.PIPE)


def test_download__killed_at_random_moments(crcns, target):
    """No byte that had come is fetched again; `stress.killed_processes` kills hundreds."""
    moments = random.Random(11)
    crcns.pause = 0.02  # 27 pieces: the transfer takes most of the time
    part = Part(target)
    for _ in range(3):
        had, n_asked = part.size, len(crcns.asked(ZIP))
        with start(target) as process:
            while part.size <= had and process.poll() is None:
                time.sleep(0.005)  # the import and the login are of no interest here
            time.sleep(moments.uniform(0, 0.2))
            process.kill()
        for request in crcns.asked(ZIP)[n_asked:]:
            assert request.start == had
    had, n_asked = part.size, len(crcns.asked(ZIP))
    assert had or target.exists()
    fetch(target)
    assert [request.start for request in crcns.asked(ZIP)[n_asked:]] in ([had], [])
    assert target.read_bytes() == crcns.archive
    assert left(target) == {ARCHIVE}


def test_download__two_processes_fetch_once(crcns, target):
    crcns.pause = 0.01
    for process in [start(target) for _ in range(2)]:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert len(crcns.asked(ZIP)) == len(crcns.asked(LOGIN)) == 1


def test_download__no_password_in_any_error(crcns, target, monkeypatch):
    faults = [{LOGIN: [Fault(status=status)]} for status in (400, 401, 403, 404)] + [
        {LOGIN: [Fault(reset=True)] * 6},
        {ZIP: [Fault(html=True)]},
        {LOGIN: [Fault(html=True)]},
    ]
    for fault in faults:
        crcns.faults.update({path: list(kinds) for path, kinds in fault.items()})
        with pytest.raises(DownloadError) as caught:
            fetch(target)
        text = "".join(traceback.format_exception(caught.value))
        assert "s3cret" not in text
        assert quote_plus(PASSWORD) not in text


# Where it goes


def test_names__crcns():
    assert SITE[1] == "https://crcns.org"
    assert DOWNLOADS[1] == "https://download.crcns.org"
    assert locate.ARCHIVE == ARCHIVE == "crcns-aa1.zip"
