"""The peer's side of each comparison: `python side_deepstrf.py TASK FOLDER DT_MS ...`.

Run by an interpreter that has deepSTRF and need not have aa1xr. Unsmoothed, as the counts and
the PSTH of aa1xr are; the constructor parses the archive and computes all spectrograms.
"""

import sys


def dataset(folder, dt_ms):
    return CRCNSAA1Dataset(folder, dt_ms=dt_ms, smooth=False)


def psth(ds, dt_ms):
    """In spikes/s, of each stimulus and neuron; the constructor has the counts in memory."""
    return [[trials.mean(0) / (dt_ms / 1000) for trials in cells] for cells in ds.responses]


def cold(stages, folder, dt_ms):
    ds = dataset(folder, dt_ms)
    stages.done("open")
    psth(ds, dt_ms)
    stages.done("psth")


def widths(stages, folder, *dt_ms):
    """One bin width after another; there is no way but to construct it all anew."""
    for width in dt_ms:
        psth(dataset(folder, width), width)
        stages.done(f"{width} ms")


def quality(stages, folder, dt_ms):
    ds = dataset(folder, dt_ms)
    stages.done("open")
    ds.compute_neuron_quality()
    stages.done("quality")


TASKS = {"cold": cold, "widths": widths, "quality": quality}

if __name__ == "__main__":
    from stages import Stages

    task, source, *arguments = sys.argv[1:]
    stages = Stages()
    from deepSTRF.datasets.audio import CRCNSAA1Dataset

    stages.done("import")
    TASKS[task](stages, source, *map(int, arguments))
    stages.print()
