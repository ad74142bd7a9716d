import json
import shutil

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr import StoreError
from aa1xr.store.layout import CONSOLIDATED, METADATA, SEAL, seal
from aa1xr.summary import summarize

NOT_SCALES = ("text", [1, 2], float("nan"), float("inf"), 1e300, 10**31, None, {}, True, "", [])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    ds = aa1xr.open_sample(dt_ms=50).isel(neuron=[0, 1], stimulus=[0, 1]).compute()
    aa1xr.save(ds, path := tmp_path_factory.mktemp("decoding") / "saved.zarr")
    return path


def load(saved, folder, variable, **attrs):
    """The Dataset with other attributes of a variable, sealed again."""
    shutil.copytree(saved, path := folder / "changed.zarr")
    document = json.loads((path / METADATA).read_bytes())
    del document[CONSOLIDATED][SEAL]
    document[CONSOLIDATED]["metadata"][variable]["attributes"] |= attrs
    (path / METADATA).write_bytes(seal(json.dumps(document).encode(), part=CONSOLIDATED))
    return aa1xr.load(path)


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        *(("psth", "scale_factor", value) for value in (*NOT_SCALES, 0, 0.0, [0])),
        *(("n_trials", "add_offset", value) for value in NOT_SCALES),
        *(("psth", "_FillValue", value) for value in ("text", [1, 2], {}, True)),
        *(("psth", "missing_value", value) for value in ("text", {}, True, None, ["1"])),
        *(("n_trials", "missing_value", value) for value in ("text", {}, True, None)),
        *(("time", "units", value) for value in ("days since text", "seconds since 1e99")),
        *(("area", "scale_factor", value) for value in (2, "text")),
    ],
)
def test_load__refuses_what_cannot_be_decoded(variable, name, value, saved, tmp_path):
    with pytest.raises(StoreError, match=rf"changed\.zarr: .*'{variable}' must be .*{name}"):
        load(saved, tmp_path, variable, **{name: value})


def test_load__decodes_what_xarray_writes(tmp_path):
    ds = xr.Dataset(
        {
            "packed": ("x", np.array([1.0, np.nan, 2.5])),
            "when": ("x", np.array(["2001-01-01", "2001-01-02", "NaT"], "M8[ns]")),
            "lasts": ("x", np.array([1, 2, 3], "m8[s]")),
            "flag": ("x", [True, False, True]),
        }
    )
    packed = {"scale_factor": 0.5, "add_offset": -1, "_FillValue": -99, "dtype": "i2"}
    ds.to_zarr(tmp_path / "x.zarr", encoding={"packed": packed}, zarr_format=3, consolidated=False)
    xr.testing.assert_identical(
        aa1xr.load(tmp_path / "x.zarr").compute(),
        xr.open_zarr(tmp_path / "x.zarr", consolidated=False).compute(),
    )


@pytest.mark.parametrize("value", ["text", "5", [1, 2], float("nan"), 0, -1, 1e300, None, {}, True])
def test_functions__refuse_a_bin_width_that_is_none(value, saved, tmp_path):
    ds = load(saved, tmp_path, "time", dt_ms=value)
    for function in (
        lambda: aa1xr.resample(ds, dt_ms=100),
        lambda: aa1xr.smooth(ds.psth, window_ms=150),
        lambda: aa1xr.psth(ds),
    ):
        with pytest.raises(ValueError, match="the attribute dt_ms of time"):
            function()
    assert "bins" not in summarize(ds)
    assert "neurons" in repr(ds.aa1)


@pytest.mark.parametrize("value", ["text\x1b[2J", [1, 2], float("nan"), 0, 10**30, None, {}, True])
def test_summary__shows_any_attribute(value, saved, tmp_path):
    ds = load(saved, tmp_path, "psth", units=value, long_name=value)
    ds = ds.assign_attrs(title=value, source=value, n_mels=value)
    assert "\x1b" not in repr(ds.aa1) + ds.aa1._repr_html_()
    assert "psth" in repr(ds.aa1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("silence", value) for value in ("text", [1], {})),
        *(("compression", value) for value in ("text", [1], {}, 3)),
        *(("frame_stop_ms", value) for value in ("text", [1], {}, None)),
    ],
)
def test_resample__refuses_attributes_of_another_kind(name, value, saved, tmp_path):
    ds = load(saved, tmp_path, "spectrogram", **{name: value})
    with pytest.raises(ValueError, match=f"the attribute {name}"):
        aa1xr.resample(ds, dt_ms=100).compute()


@pytest.mark.parametrize("value", ["text", [1, 2], {}, 1e300, "0 1 text", "9" * 30])
def test_trials__refuses_marks_of_another_kind(value, saved, tmp_path):
    ds = load(saved, tmp_path, "n_trials", trials=value)
    with pytest.raises(ValueError, match="the attribute 'trials' must be"):
        aa1xr.psth(ds)
