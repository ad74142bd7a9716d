"""A small archive as names and bytes, for tests to alter and pack as a zip or a folder."""

import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aa1xr.archive.write import make_sound, wav_bytes

Files = dict[str, bytes]
Pack = Callable[[Files, str], Path]


@pytest.fixture
def tiny() -> Files:
    """Two songs and a ripple; a cell that heard all, and its pair that heard the ripple only.

    The cells' files are written out here, not made by the package.
    """
    files: Files = {}
    names = []
    for type_, first in (("conspecific", 0), ("conspecific", 500), ("flatrip", -20)):
        samples = np.arange(first, first + 40, dtype=np.int16)
        names.append(make_sound(type_, samples, 32000).name)
        files[f"all_stims/{type_}/{names[-1]}"] = wav_bytes(samples, 32000)
    cell = "MLd_cells/a1_10_A"
    files |= {
        f"{cell}/conspecific/stim1": f"{names[1]}\n".encode(),
        f"{cell}/conspecific/spike1": b"-1999.969 0.000 159.375 \n\n3.000 \n",
        f"{cell}/conspecific/stim2": f"{names[0]}\n".encode(),
        f"{cell}/conspecific/spike2": b"\n\n12.500 \n",
        f"{cell}/flatrip/stim1": f"{names[2]}\n".encode(),
        f"{cell}/flatrip/spike1": b"1.000 2.000 \n-3.125 \n3997.375 \n",
        "Field_L_cells/a1_10_B/flatrip/stim7": f"{names[2]}\n".encode(),
        "Field_L_cells/a1_10_B/flatrip/spike7": b"0.031 \n",
    }
    return files


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """A function that writes files as a "zip" or a "folder"; names that end in "/" are folders."""
    numbers = itertools.count()

    def pack(files: Files, kind: str) -> Path:
        path = tmp_path / str(next(numbers)) / f"archive.{kind}"
        path.parent.mkdir()
        if kind == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
            return path
        for name, data in files.items():
            target = path / name
            if name.endswith("/"):
                target.mkdir(parents=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        return path

    return pack


@pytest.fixture(params=["zip", "folder"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both forms of an archive."""
    return str(request.param)
