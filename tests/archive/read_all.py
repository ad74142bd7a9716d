"""Read an archive through the package, to see whether damage goes unnoticed."""

from pathlib import Path

from aa1xr.archive.files import open_files
from aa1xr.archive.read import Archive


class FakeFiles:
    """Files in memory, as `open_files` gives those of a zip."""

    path = Path("archive.zip")
    empty_folders = ()

    def __init__(self, content):
        self.content = content
        self.names = sorted(content)

    def read(self, name):
        return self.content[name]

    def check(self, name):
        pass

    def other_contents(self):
        return ""


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
