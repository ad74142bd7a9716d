"""Small archives of any shape, opened."""

import contextlib
import tempfile
from pathlib import Path

import aa1xr


@contextlib.contextmanager
def opened(made, **options):
    """The Dataset of an archive in memory, which is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        archive = made.write(Path(folder) / "a.zip")
        yield aa1xr.open(archive, data_dir=folder, **options)
