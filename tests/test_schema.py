import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr import schema


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("gg0304_10_B", ("gg0304", 10, "B")),
        ("pipu1018_2_A", ("pipu1018", 2, "A")),
        ("x_3", ("x", 3, "")),
        ("x-2_007_b-1", ("x-2", 7, "b-1")),
    ],
)
def test_parse_cell_id__parts(cell, parts):
    assert schema.parse_cell_id(cell) == parts


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "gg0304",
        "gg0304_",
        "gg_x_A",
        "_1_A",
        "a_1_A_B",
        "a_-1",
        "a b_1",
        "a_1_\u00e4",
        "a\0_1",
        "a_1\n",
    ],
)
def test_parse_cell_id__refuses(cell):
    with pytest.raises(ValueError, match="expected <animal>_<number>"):
        schema.parse_cell_id(cell)


def test_validate__names_what_is_wrong(sample_archive):
    ds = aa1xr.open_sample()
    assert schema.validate(ds, "spikes") is ds
    schema.validate(ds.isel(neuron=0, trial=0))
    schema.validate(ds.where(ds.area == "MLd")[["psth", "n_trials"]])
    with pytest.raises(ValueError, match="no variable 'rates'; it has: spikes"):
        schema.validate(ds, "rates")
    with pytest.raises(ValueError, match="'psth' has dimensions"):
        schema.validate(xr.Dataset({"psth": ("x", [1.0])}))
    with pytest.raises(ValueError, match="'psth' is of type"):
        schema.validate(xr.Dataset({"psth": ("time", ["a"])}))


def test_bin_width_ms__outlives_selections(sample_archive):
    ds = aa1xr.open_sample(dt_ms=0.5)
    assert schema.bin_width_ms(ds.psth.isel(time=[3]).sel(area="MLd") * 2) == 0.5
    with pytest.raises(ValueError, match="'dt_ms'"):
        schema.bin_width_ms(xr.Dataset(coords={"time": np.arange(3.0)}))


def test_bin_numbers__count_from_onset(sample_archive):
    ds = aa1xr.open_sample(before_ms=20)
    assert schema.bin_numbers(ds)[:6].tolist() == [-4, -3, -2, -1, 0, 1]
    assert schema.bin_numbers(ds.sel(time=slice(0.05, None)).psth)[0] == 10


def test_bin_numbers__must_be_adjacent(sample_archive):
    ds = aa1xr.open_sample()
    shifted = ds.assign_coords(time=("time", ds.time.values + 0.001, ds.time.attrs))
    for broken in (ds.isel(time=[1, 3]), ds.isel(time=[1, 1]), shifted):
        with pytest.raises(ValueError, match="adjacent bins of 5 ms"):
            schema.bin_numbers(broken)
    with pytest.raises(ValueError, match="several bins"):
        schema.bin_numbers(ds.isel(time=0))


def test_bin_width_ms__refuses_bins_that_are_no_more(sample_archive):
    ds = aa1xr.open_sample(dt_ms=20)
    time = ("time", ds.time.values * 1000, ds.time.attrs)
    for wrong in (
        ds.coarsen(time=2, boundary="trim", coord_func="min").sum(),
        ds.isel(time=slice(None, None, 2)),
        ds.isel(time=slice(None, None, -1)),
        ds.assign_coords(time=time),
    ):
        with pytest.raises(
            ValueError, match=r"time goes in steps of .*says adjacent bins of 20 ms"
        ):
            schema.bin_width_ms(wrong)
    assert schema.bin_width_ms(ds.isel(time=[0, 1, 5])) == 20


def test_check_dims__says_how_to_keep_an_axis(sample_archive):
    rate = aa1xr.open_sample().psth
    schema.check_dims("rate", rate, "neuron", "time", allowed=("neuron", "stimulus", "time"))
    with pytest.raises(
        ValueError, match=r"expected neuron and time among them: select with a list"
    ):
        schema.check_dims("rate", rate.isel(time=0), "neuron", "time")
    with pytest.raises(ValueError, match="rate is empty: nothing is selected along 'time'"):
        schema.check_dims("rate", rate.isel(time=[]), "neuron", "time")
    with pytest.raises(ValueError, match="there is one too many, 'stimulus'"):
        schema.check_dims("rate", rate, allowed=("neuron", "time"))
