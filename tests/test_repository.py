"""What must not be in the repository."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    out = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in out.stdout.splitlines()]


def test_repository__holds_no_recordings(tracked):
    assert not [path for path in tracked if path.suffix in {".zip", ".wav", ".zarr", ".npz"}]
    assert all(path.stat().st_size < 2**20 for path in tracked if path.exists())


def test_repository__notebooks_have_no_outputs(tracked):
    for path in tracked:
        if path.suffix == ".ipynb":
            assert '"output_type"' not in path.read_text(), path
