"""A server that sends too much, too slowly, or what nobody asked for; links in the data folder."""

import time

import pytest

from aa1xr.archive import download as module
from aa1xr.archive import session
from aa1xr.archive.download import ACCEPTED, download
from aa1xr.archive.partial import Version, as_size
from aa1xr.atomic import is_regular
from aa1xr.errors import WaitingWarning
from tests.archive.download.crcns_server import CHECKSUMS, FILELIST, LOGIN, PAGE, ZIP, Fault
from tests.archive.download.test_download import failure
from tests.archive.download.test_portal import refusal
from tests.links_and_pipes import KINDS, no_waiting

MB = 2**20


@pytest.mark.parametrize("path", [LOGIN, PAGE, FILELIST, CHECKSUMS])
def test_download__of_pages_that_are_too_large(path, crcns, target):
    crcns.faults[path] = [Fault(endless=True)]
    assert "expected a small page, and more than 1048576 bytes came" in failure(target)
    assert crcns.asked(path)[0].sent < 20 * MB  # what the buffers of two sockets take


def test_login__reads_no_more_than_the_head_of_a_redirect(crcns):
    crcns.faults[LOGIN] = [Fault(endless=True, location=f"{crcns.site}{LOGIN}")]
    crcns.faults[PAGE] = [Fault(endless=True, location=f"{crcns.downloads}{PAGE}")]
    refusal()
    assert all(request.sent < 20 * MB for request in crcns.requests)


def test_login__takes_a_time_that_grows_with_the_page_and_not_its_square(crcns):
    crcns.faults[PAGE] = [Fault(body=b"<" * (MB - 1)), Fault(body=b"logged " * (MB // 8))]
    begin = time.process_time()
    for _ in range(2):
        assert "does not know the session" in refusal()
    assert time.process_time() - begin < 30  # the square took hours


def test_login__that_takes_too_long(crcns, monkeypatch):
    monkeypatch.setattr(session, "PAGE_SECONDS", 0)
    assert "did not end in 0 s" in refusal()


@pytest.mark.parametrize("path", [LOGIN, PAGE, ZIP])
def test_download__of_what_was_encoded_unasked(path, crcns, target):
    crcns.faults[path] = [Fault(body=b"x" * 100, headers={"Content-Encoding": "gzip"})]
    assert "Content-Encoding gzip, which aa1xr did not ask for" in failure(target)


def test_download__shows_the_words_of_a_server_escaped(crcns):
    crcns.faults[LOGIN] = [Fault(status=403, reason="No\x1b[2J" + "!" * 500)]
    message = refusal()
    assert "403 No\\x1b[2J!!!" in message
    assert "\x1b" not in message
    assert "!" * 50 not in message


@pytest.mark.parametrize("size", ["9" * 15, "9" * 5000, "1000000001"])
def test_download__of_more_than_aa1_can_have(size, crcns, target, monkeypatch):
    if len(size) > 15:  # no number, so that what arrives is counted: 1 GB would take seconds
        monkeypatch.setattr(module, "_LARGEST", 10**7)
    crcns.faults[ZIP] = [Fault(endless=True, headers={"Content-Length": size})]
    crcns.filelist = None
    assert "crcns-aa1.zip" in failure(target)
    assert not target.exists()


def test_download__stops_where_the_list_says_so(crcns, target):
    crcns.faults[ZIP] = [Fault(endless=True)]
    message = failure(target)
    assert f"expected at most {len(crcns.archive)} bytes" in message
    assert not target.exists()


def test_download__says_that_it_is_slow(crcns, target, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0)
    monkeypatch.setattr(module, "_SLOW", 10**12)
    with pytest.warns(WaitingWarning, match=r"is slow \([0-9.]+ kB/s\). Ctrl-C is safe") as told:
        download(target, accept_terms=True)
    assert len(told) == 1
    assert target.exists()


def test_as_size__of_what_is_a_size():
    assert [as_size(text) for text in ("0", "17", "9" * 15)] == [0, 17, 10**15 - 1]
    wrong = ("", "-1", "1.0", "9" * 16, "²", "\u0661", "1_0", " 1")
    assert {as_size(text) for text in wrong} == {None}
    assert Version.of(206, {"Content-Range": f"bytes 0-1/{'9' * 5000}"}).size is None


# Links and pipes in the data folder


NAMES = ("crcns-aa1.zip.part", "crcns-aa1.zip.part.json", ACCEPTED, ".crcns-aa1.zip.aa1xr-lock")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*NAMES, "crcns-aa1.zip"])
def test_download__goes_through_no_link(name, kind, crcns, target, home):
    home.put(kind, target.parent / name)
    with no_waiting():
        download(target, accept_terms=True)
    assert target.read_bytes() == crcns.archive
    assert {path.name for path in target.parent.iterdir()} == {target.name, ACCEPTED}
    assert not any(path.is_symlink() for path in target.parent.iterdir())
    assert kind == "hard link" or is_regular(target.parent / ACCEPTED, one_name=True)


@pytest.mark.parametrize("name", [*NAMES, "crcns-aa1.zip"])
def test_download__removes_no_folder(name, crcns, target, home):
    home.put("folder", target.parent / name)
    with pytest.raises(OSError, match=name):
        download(target, accept_terms=True)
    assert (target.parent / name / "thesis.txt").read_text() == "years of work"


def test_download__adds_to_no_file_that_has_another_name(crcns, target, home):
    crcns.faults[ZIP] = [Fault(cut=5000)] + [Fault(reset=True)] * 5
    failure(target)
    crcns.faults[ZIP] = []
    part = target.with_name("crcns-aa1.zip.part")
    backup = target.with_name("backup")
    backup.hardlink_to(part)
    before = backup.read_bytes()
    assert before
    download(target, accept_terms=True)
    assert target.read_bytes() == crcns.archive
    assert backup.read_bytes() == before
