"""Our side of each comparison: `python side_aa1xr.py TASK SOURCE ...`, as a user writes it."""

import sys
import tempfile


def cold(stages, archive, dt_ms, *, spectrogram):
    """From the zip, without a store, to the PSTH of all neurons."""
    with tempfile.TemporaryDirectory() as data_dir:
        ds = aa1xr.open(archive, dt_ms=dt_ms, data_dir=data_dir)
        stages.done("open")
        held = [ds.psth.compute()]
        stages.done("psth")
        if spectrogram:
            held.append(ds.spectrogram.compute())
            stages.done("spectrogram")


def warm(stages, store, dt_ms, *other_dt_ms):
    """Open the store, and again at other bin widths."""
    ds = aa1xr.open(store, dt_ms=dt_ms)
    stages.done("open")
    ds.psth.compute()
    stages.done("first psth")
    aa1xr.open(store, dt_ms=dt_ms)
    stages.done("open again")
    ds.psth.compute()
    stages.done("psth")
    for width in other_dt_ms:
        aa1xr.open(store, dt_ms=width).psth.compute()
        stages.done(f"{width} ms")


def counts(stages, store, dt_ms, *, held, chunks):
    """Every single-trial count: all of them in memory, or a pass over them in blocks."""
    ds = aa1xr.open(store, dt_ms=dt_ms, chunks=chunks)
    (ds.spikes if held else ds.spikes.sum()).compute()
    stages.done("counts")


def quality(stages, store, dt_ms):
    ds = aa1xr.open(store, dt_ms=dt_ms)
    stages.done("open")
    aa1xr.quality(ds).compute()
    stages.done("quality")


TASKS = {
    "cold": lambda *a: cold(*a, spectrogram=False),
    "cold-with-spectrogram": lambda *a: cold(*a, spectrogram=True),
    "warm": warm,
    "counts-held": lambda *a: counts(*a, held=True, chunks=None),
    "counts-held-by-dask": lambda *a: counts(*a, held=True, chunks={}),
    "counts-in-blocks": lambda *a: counts(*a, held=False, chunks={}),
    "quality": quality,
}

if __name__ == "__main__":
    from stages import Stages

    # Not what a plain install brings, and dask imports it, where it is, at the first computation.
    sys.modules["distributed"] = None
    task, source, *arguments = sys.argv[1:]
    stages = Stages()
    import aa1xr

    # What is public is imported when it is used. It is an import all the same.
    _ = aa1xr.open, aa1xr.quality
    stages.done("import")
    # xarray imports these at the first open. They are imports, and so belong to no stage; the time
    # of the whole process has them.
    import dask.array  # noqa: F401
    import zarr  # noqa: F401

    stages.done("import of what is used")
    TASKS[task](stages, source, *(int(a) if a.isdigit() else a for a in arguments))
    stages.print()
