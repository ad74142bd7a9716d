"""What one release of Zarr has written, read with another.

$AA1XR_OTHER_PYTHON names an interpreter that has aa1xr with the other one.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

import aa1xr
from stress.tally import Tally, tally

ROOT = Path(__file__).resolve().parents[1]
OTHER = "AA1XR_OTHER_PYTHON"


def both_ways(work: Path) -> Tally:
    """Let each of two interpreters read what the other one has written."""
    work.mkdir(parents=True)
    with tally("Zarr across releases: what one wrote, read with another") as counted:
        other = os.environ.get(OTHER)
        if not other:
            counted.figures = f"skipped: needs ${OTHER}"
            return counted
        sides = {"here": sys.executable, "there": other}
        wrote = {side: _run(python, "write", work / side) for side, python in sides.items()}
        for writer, reader in (("here", "there"), ("there", "here"), ("here", "here")):
            read = _run(sides[reader], "read", work / writer)
            for what, digest in wrote[writer]["digests"].items():
                if read["digests"].get(what) == digest:
                    counted.right += 1
                else:
                    counted.failures.append(
                        f"{what} of Zarr {wrote[writer]['zarr']} differs in Zarr {read['zarr']}"
                    )
        counted.figures = " and ".join(
            f"Zarr {side['zarr']} on Python {side['python']}" for side in wrote.values()
        )
    return counted


def _run(python: str, task: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-m", "stress.other_zarr", task, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "AA1XR_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{python}: {task}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _write(folder: Path) -> dict[str, str]:
    """Write a store, with a spectrogram that is kept, and saved Datasets; what is in them."""
    folder.mkdir()
    aa1xr.simulate_archive(folder / "cells.zip", n_neurons=4, n_songs=2, n_ripples=1, seed=5)
    ds = aa1xr.open(folder / "cells.zip", before_ms=50)
    ds["spectrogram"].compute()
    aa1xr.save(ds, folder / "saved.zarr")
    aa1xr.save(ds.sel(area="MLd", type="flatrip"), folder / "selected.zarr")
    odd = {"count": ("x", np.arange(3, dtype="u1")), "flag": ("x", [True, False, True])}
    texts = {"text": ("x", ["", "grüße", "🐦"]), "day": ("x", np.arange(3).astype("M8[D]"))}
    aa1xr.save(xr.Dataset(odd | texts, attrs={"n": 1, "x": [1.5]}), folder / "odd.zarr")
    return _read(folder)


def _read(folder: Path) -> dict[str, str]:
    """What is in all of them."""
    (store,) = folder.glob("simulated-*.zarr")
    ds = aa1xr.open(store, before_ms=50)
    found = {f"store, {name}": _digest(array) for name, array in ds.variables.items()}
    events = aa1xr.events(ds)
    found |= {f"events, {name}": _digest(array) for name, array in events.variables.items()}
    for path in [folder / f"{name}.zarr" for name in ("saved", "selected", "odd")]:
        loaded = aa1xr.load(path)
        found |= {f"{path.name}, {n}": _digest(array) for n, array in loaded.variables.items()}
        found[f"{path.name}, attributes"] = repr(sorted(map(repr, loaded.attrs.items())))
    return found


def _digest(variable: xr.Variable) -> str:
    values = np.asarray(variable.values)
    content = values.tolist() if values.dtype.kind in "OT" else values.tobytes()
    described = repr((variable.dims, values.dtype, values.shape, sorted(variable.attrs.items())))
    return hashlib.sha256(described.encode() + repr(content).encode()).hexdigest()


if __name__ == "__main__":
    _, task, where = sys.argv
    digests = {"write": _write, "read": _read}[task](Path(where))
    python = ".".join(map(str, sys.version_info[:3]))
    print(json.dumps({"digests": digests, "zarr": zarr.__version__, "python": python}))
