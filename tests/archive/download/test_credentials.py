import getpass
import os
import sys
from pathlib import Path

import pytest

from aa1xr.archive import credentials
from aa1xr.archive.credentials import Credentials, find_credentials
from aa1xr.errors import DownloadError

HOST = "crcns.org"


@pytest.fixture(autouse=True)
def _home(no_account: Path) -> None:
    pass


@pytest.fixture
def netrc(no_account: Path) -> Path:
    path = no_account / ".netrc"
    path.touch(mode=0o600)
    return path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What somebody at a terminal types, in turn."""
    typed: list[str] = []
    monkeypatch.setattr(credentials, "on_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda: typed.pop(0))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: typed.pop(0))
    return typed


def test_find_credentials__arguments_come_first(monkeypatch, netrc):
    monkeypatch.setenv("CRCNS_USERNAME", "env")
    monkeypatch.setenv("CRCNS_PASSWORD", "env-pw")
    netrc.write_text(f"machine {HOST} login n password n-pw")
    assert find_credentials("arg", "arg-pw", host=HOST) == Credentials("arg", "arg-pw")
    assert find_credentials(None, None, host=HOST) == Credentials("env", "env-pw")
    assert find_credentials("arg", None, host=HOST) == Credentials("arg", "env-pw")


@pytest.mark.parametrize("username", [None, "finch"])
def test_find_credentials__netrc(username, netrc):
    netrc.write_text(
        f"machine example.org login a password b\nmachine {HOST} login finch password p"
    )
    assert find_credentials(username, None, host=HOST) == Credentials("finch", "p")


def test_find_credentials__netrc_of_another_place(netrc, monkeypatch, tmp_path):
    netrc.write_text(f"machine {HOST} login no password no")
    elsewhere = tmp_path / "secrets"
    elsewhere.write_text(f"machine {HOST} login finch password p")
    elsewhere.chmod(0o600)
    monkeypatch.setenv("NETRC", str(elsewhere))
    assert find_credentials(None, None, host=HOST) == Credentials("finch", "p")


@pytest.mark.parametrize(
    "text",
    [
        "default login everyone password p",
        "machine download.crcns.org login finch password p",
        f"machine {HOST} login wren password p",
        f"machine {HOST} login finch",
    ],
)
def test_find_credentials__netrc_entry_for_something_else(text, netrc):
    netrc.write_text(text)
    with pytest.raises(DownloadError, match=r"missing: password\."):
        find_credentials("finch", None, host=HOST)


def test_find_credentials__broken_netrc_is_passed_over_unquoted(netrc, caplog):
    netrc.write_text(f"machine {HOST}\n login finch password two words\n")
    with pytest.raises(DownloadError, match="missing"):
        find_credentials(None, None, host=HOST)
    assert "netrc, near line" in caplog.text
    assert "words" not in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_find_credentials__netrc_that_others_can_read(netrc, caplog):
    netrc.write_text(f"machine {HOST} login finch password p")
    netrc.chmod(0o644)
    with pytest.raises(DownloadError, match="missing"):
        find_credentials(None, None, host=HOST)
    assert "chmod 600" in caplog.text


def test_find_credentials__prompt(answers):
    answers += ["finch", "p w"]
    assert find_credentials(None, None, host=HOST) == Credentials("finch", "p w")
    answers += ["only the password"]
    assert find_credentials("wren", None, host=HOST) == Credentials("wren", "only the password")


def test_find_credentials__nothing_typed(answers):
    answers += ["finch", ""]
    with pytest.raises(DownloadError, match=r"missing: password\."):
        find_credentials(None, None, host=HOST)


def test_find_credentials__end_of_input(answers, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda prompt: (_ for _ in ()).throw(EOFError))
    with pytest.raises(DownloadError, match="missing"):
        find_credentials("finch", None, host=HOST)


def test_find_credentials__missing_ones_name_all_four_ways():
    with pytest.raises(DownloadError) as caught:
        find_credentials(None, None, host=HOST)
    for way in ("username=", "$CRCNS_USERNAME", "$CRCNS_PASSWORD", ".netrc", "on a terminal"):
        assert way in str(caught.value)
    assert "missing: user name, password." in str(caught.value)
    assert "https://crcns.org/register" in str(caught.value)
    assert "days" in str(caught.value)


def test_on_terminal__no_streams(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert not credentials.on_terminal()


def test_credentials__repr_hides_the_password():
    assert repr(Credentials("finch", "s3cret")) == "Credentials(username='finch')"
