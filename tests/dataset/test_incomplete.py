"""A part of an archive is never opened in silence."""

import shutil
import warnings

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr import IncompleteArchiveWarning
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.store import locate
from tests.archive.pretend_known import known_archive, pretend
from tests.store.conftest import SOUNDS, cells


@pytest.fixture(scope="module")
def part(sample_archive, tmp_path_factory):
    """The store of the sample without one area."""
    folder = tmp_path_factory.mktemp("part")
    shutil.unpack_archive(sample_archive, folder / "cells")
    shutil.rmtree(folder / "cells" / "Field_L_cells")
    return locate.ensure_store(folder / "cells", data_dir=folder)


def openings(part):
    yield lambda: aa1xr.open(part)
    yield lambda: aa1xr.open(part, dt_ms=1, chunks=None)
    yield lambda: xr.open_dataset(part, engine=aa1xr.dataset.engine.AA1Backend)
    yield lambda: aa1xr.events(part)
    yield lambda: aa1xr.sounds(part)


def test_open__every_opening_warns_at_the_line_of_the_user(part):
    for opening in openings(part):
        for _ in range(2):
            with pytest.warns(IncompleteArchiveWarning, match="all 6 cells of Field_L") as caught:
                ds = opening()
            assert ds.attrs["title"].startswith("part of a simulated archive (6 of 12 cells, ")
            assert ds.attrs["missing"] == "all 6 cells of Field_L"
            assert [warning.filename for warning in caught] == [__file__]


def test_open__what_is_open_is_not_warned_of_again(part):
    with pytest.warns(IncompleteArchiveWarning):
        ds = aa1xr.open(part)
    aa1xr.events(ds)
    aa1xr.sounds(ds)
    aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, "gaussian"))


def test_open__the_warning_can_be_switched_off_by_its_category(part):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", IncompleteArchiveWarning)
        assert aa1xr.open(part).sizes["neuron"] == 6


def test_open__a_copy_says_it_too(part, tmp_path):
    aa1xr.copy_store(part, tmp_path / "copy.zarr")
    with pytest.warns(IncompleteArchiveWarning):
        aa1xr.open(tmp_path / "copy.zarr")


def test_open__the_sample_is_complete(sample_store):
    ds = aa1xr.open(sample_store)
    assert not {"missing", "different", "additional"} & ds.attrs.keys()


def test_open__recordings_of_others_are_not_called_aa1(tmp_path):
    archive = write_archive(tmp_path / "mine.zip", SOUNDS, cells())
    ds = aa1xr.open(archive, data_dir=tmp_path)
    assert ds.attrs["title"] == "Recordings of unknown origin in the layout of CRCNS AA1"
    assert ds.attrs["doi"] == ""
    assert "Theunissen" not in str(ds.attrs)


def test_open__more_than_is_known_is_said_in_attributes(tmp_path, monkeypatch):
    cell = list(cells())[1]  # which heard all ripples
    archive = write_archive(tmp_path / "aa1.zip", SOUNDS, [cell])
    sound = make_sound("flatrip", np.arange(9, dtype=np.int16), 32000)
    pretend(monkeypatch, known_archive(archive))
    more = write_archive(tmp_path / "more.zip", [*SOUNDS, sound], [cell])
    ds = aa1xr.open(more, data_dir=tmp_path)
    assert ds.attrs["title"].startswith("CRCNS AA1: ")
    assert ds.attrs["additional"] == f"stimulus {sound.name} (flatrip)"
    assert ds.attrs["doi"] == "10.6080/K0F769GP"
