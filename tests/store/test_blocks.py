import numpy as np
import pytest

from aa1xr.archive.files import open_files
from aa1xr.archive.read import Archive
from aa1xr.store import blocks
from aa1xr.store.blocks import read_blocks


@pytest.mark.parametrize("size", [5, 12])
def test_read_blocks__of_any_size_hold_the_same(sample_archive, monkeypatch, size):
    with open_files(sample_archive) as files:
        (whole,) = read_blocks(Archive(files))
        monkeypatch.setattr(blocks, "_NEURONS", size)
        found = list(read_blocks(Archive(files)))
    assert [len(block.n_trials) for block in found] == [size] * (12 // size) + [12 % size] * (
        12 % size > 0
    )
    for name, expected in vars(whole).items():
        joined = np.concatenate([vars(block)[name] for block in found])
        np.testing.assert_array_equal(joined, expected)
        assert joined.dtype == np.int32
