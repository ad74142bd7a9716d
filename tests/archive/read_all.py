"""Read an archive through the package, to see whether damage goes unnoticed."""

from aa1xr.archive.files import open_files
from aa1xr.archive.read import Archive


def read_all(path):
    """Every sound and response there, as plain Python."""
    with open_files(path) as files:
        archive = Archive(files)
        sounds = [(s.type, s.name, s.sample_rate, s.samples.tolist()) for s in archive.sounds()]
        cells = [
            (c.id, c.area, r.number, r.type, r.sound, r.times.tolist(), r.counts.tolist())
            for c in archive.cells()
            for r in c.recordings
        ]
    return sounds, cells
