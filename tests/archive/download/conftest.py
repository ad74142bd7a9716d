"""A small archive, and a stand-in for CRCNS that serves it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import aa1xr
from aa1xr.archive import portal
from aa1xr.archive.files import ARCHIVE
from tests.archive.download.crcns_server import CRCNS, pass_for_recorded
from tests.archive.pretend_known import known_archive, pretend


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A simulated archive of 2 cells and 2 sounds, which does not say that it is simulated."""
    folder = tmp_path_factory.mktemp("small")
    aa1xr.simulate_archive(folder / "all.zip", n_neurons=2, n_songs=1, n_ripples=1)
    return pass_for_recorded(folder / "all.zip", folder / "aa1.zip").read_bytes()


@pytest.fixture(autouse=True)
def small_aa1(
    small_archive: bytes, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the small archive be all of AA1, so that its store is one of a complete download."""
    path = tmp_path_factory.mktemp("known") / "aa1.zip"
    path.write_bytes(small_archive)
    known = known_archive(path)
    pretend(monkeypatch, known)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the archive is to be."""
    return tmp_path / "data" / ARCHIVE


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which are noted instead of waited for."""
    noted: list[float] = []
    monkeypatch.setattr(portal, "time", SimpleNamespace(sleep=noted.append))
    return noted


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without an account, a .netrc or a proxy; returns their home."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("CRCNS_USERNAME", "CRCNS_PASSWORD", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for scheme in ("http", "https", "all", "no"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def crcns(
    small_archive: bytes,
    monkeypatch: pytest.MonkeyPatch,
    no_account: Path,
    pauses: list[float],
) -> Iterator[CRCNS]:
    """The stand-in, and an environment with an account on it."""
    with CRCNS(small_archive) as stand_in:
        for name, value in stand_in.environment.items():
            monkeypatch.setenv(name, value)
        yield stand_in
