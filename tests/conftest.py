"""What the tests share: a simulated archive, its store, and the real archive where it is.

Nothing here or in any test touches the network or the user's own data directory.
"""

import os
from pathlib import Path

# Before NumPy: dask's threads and pytest's workers share the cores, and threads of BLAS beside them
# would take several times the time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import fsspec
import hypothesis
import pytest

import aa1xr
from aa1xr.store import locate
from tests.links_and_pipes import Home
from tests.s3_server import serve

os.environ["MPLBACKEND"] = "agg"  # pictures need no display

hypothesis.settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True)
hypothesis.settings.register_profile("deep", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("AA1XR_HYPOTHESIS", "quick"))

_HERE = Path(__file__).resolve()
_CANDIDATES = [
    Path(os.environ.get("AA1XR_DATA_DIR", "/nonexistent")) / locate.ARCHIVE,
    _HERE.parents[2] / "shared" / "aa1" / locate.ARCHIVE,
]


@pytest.fixture(scope="session")
def real_archive() -> Path:
    """The real crcns-aa1.zip, which may not be redistributed and so is not in the project."""
    for path in _CANDIDATES:
        if path.is_file():
            return path
    pytest.skip("needs the real crcns-aa1.zip in $AA1XR_DATA_DIR or ../shared/aa1")


@pytest.fixture(scope="session", autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of the test run's own."""
    path = tmp_path_factory.mktemp("data")
    os.environ["AA1XR_DATA_DIR"] = str(path)
    return path


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """No test cuts the power, and on a busy disk most of the time would go into this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def sample_archive(data_dir: Path) -> Path:
    """The archive of the sample: 12 simulated cells, 15 sounds, unequal and missing trials."""
    aa1xr.open_sample()
    (path,) = data_dir.glob("sample-*.zip")
    return path


@pytest.fixture(scope="session")
def sample_store(sample_archive: Path, data_dir: Path) -> Path:
    """The store of the sample. Read only: copy it before damaging it."""
    return locate.ensure_store(sample_archive, data_dir=data_dir)


@pytest.fixture
def home(tmp_path: Path):
    """A folder that links may lead to; it must be afterwards as it was."""
    home = Home(tmp_path / "home")
    yield home
    home.check()


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server with one bucket."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    with serve() as server:
        fsspec.filesystem("s3", **server.options).mkdir(server.bucket)
        yield server


@pytest.fixture
def bucket(s3_server):
    """The server with its bucket empty; `requests` are those of the test."""
    files = fsspec.filesystem("s3", **s3_server.options)
    s3_server.requests.clear()
    yield s3_server
    files.invalidate_cache()
    if left := files.find(s3_server.bucket):
        files.rm(left)
