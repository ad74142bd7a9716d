"""The contract of design.md, checked on the sample."""

import inspect
import pickle
import zipfile
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr
from xarray.backends.plugins import list_engines

import aa1xr
from aa1xr import schema


def no_compute(*args, **kwargs):
    raise AssertionError("something was computed")


def test_open__gives_the_contract(ds):
    assert tuple(ds.sizes) == schema.DIMS
    assert dict(ds.sizes) == {"neuron": 12, "stimulus": 15, "trial": 15, "time": 434, "freq": 32}
    assert set(ds.coords) == set(schema.COORDINATES)
    assert set(ds.data_vars) == set(schema.VARIABLES)
    for name, spec in (schema.COORDINATES | schema.VARIABLES).items():
        assert ds[name].dims == spec.dims
        assert "long_name" in ds[name].attrs
        # A name has no unit; whatever is measured or counted has.
        assert ("units" in ds[name].attrs) == bool(spec.units)
    assert all(spec.units for spec in schema.VARIABLES.values())
    assert ds.time.attrs["units"] == "s"
    schema.validate(ds, *schema.VARIABLES)
    assert ds.spikes.dtype == ds.psth.dtype == ds.spectrogram.dtype == np.float32


def test_open__says_where_it_came_from(ds):
    assert {
        *("title", "doi", "citation", "license", "source", "source_sha256", "aa1xr_version"),
        *("species", "dt_ms", "before_ms", "after_ms", "n_mels", "window_ms", "fmin", "fmax"),
        "compression",
        "frames",
    } <= set(ds.attrs)
    assert "simulated" in ds.attrs["species"]
    assert len(ds.attrs["source_sha256"]) == 64


def test_open__labels_are_parsed_and_sorted(ds):
    assert ds.area.values.tolist() == ["Field_L"] * 6 + ["MLd"] * 6
    assert ds.animal_id.values[-1] == "sim0001"
    assert ds.cell_seq.values.tolist() == [1, 2, 3, 4, 5, 1] * 2
    assert ds.rig.values.tolist() == ["B"] * 6 + ["A"] * 6
    assert ds.stimulus.values[[0, 9, 10, 14]].tolist() == [
        *("conspecific-00", "conspecific-09", "flatrip-00", "flatrip-04")
    ]
    for _, group in ds.name.groupby(ds.type):
        assert group.values.tolist() == sorted(group.values)
    np.testing.assert_array_equal(ds.duration_s, ds.n_samples / 32000)


def test_open__missing_is_not_silent(ds):
    never = ds.sel(neuron="sim0000_2_A", type="conspecific").compute()
    assert (never.n_trials == 0).all()
    assert never.spikes.isnull().all()
    assert never.psth.isnull().all()
    more = ds.sel(neuron="sim0000_1_B").compute()
    assert (more.n_trials == 15).all()
    ten = ds.sel(neuron="sim0000_1_A", stimulus="flatrip-00").compute()
    assert ten.spikes.isel(trial=slice(10, None)).isnull().all()
    # The sound is 2 s long: 400 bins.
    assert ten.spikes.isel(trial=slice(10), time=slice(400)).notnull().all()
    assert ten.spikes.isel(time=slice(400, None)).isnull().all()


def test_open__computes_nothing(sample_archive):
    with dask.config.set(scheduler=no_compute):
        ds = aa1xr.open_sample()
        ds.sel(area="MLd", type="conspecific").psth.mean("neuron")
        aa1xr.psth(ds.isel(trial=[0, 1]))
        repr(ds)
        ds._repr_html_()
    assert all(ds[name].chunks is not None for name in ds.data_vars)
    assert len(ds.__dask_graph__()) <= 1000


def test_open__without_dask_is_lazy_too(sample_archive):
    ds = aa1xr.open_sample(chunks=None)
    assert all(ds[name].chunks is None for name in ds.data_vars)
    assert not any(ds.variables[name]._in_memory for name in ds.data_vars)
    assert not ds.sel(area="MLd").variables["spikes"]._in_memory


def test_open__chunks_as_asked(sample_archive):
    assert aa1xr.open_sample(chunks={"neuron": 5}).psth.chunks[0] == (5, 5, 2)
    assert aa1xr.open_sample(chunks={"time": 100}).spikes.chunks[3][:2] == (100, 100)
    assert aa1xr.open_sample(chunks=4).n_trials.chunks == ((4, 4, 4), (4, 4, 4, 3))
    with pytest.raises(ValueError, match=r"chunks must name dimensions of .*; got 'cell'"):
        aa1xr.open_sample(chunks={"cell": 1})


def test_open__labels_stay_in_memory(ds):
    for chunks in ({}, {"neuron": 2}, None, "auto"):
        lazy = aa1xr.open_sample(chunks=chunks)
        assert all(lazy.variables[name]._in_memory for name in lazy.coords)
    means = aa1xr.open_sample(chunks={"neuron": 2}).groupby("area").mean().psth.compute()
    expected = ds.psth.sel(area="MLd").mean("neuron")
    np.testing.assert_allclose(means.sel(area="MLd"), expected, rtol=1e-6)


def test_open__zip_folder_and_store_are_one(sample_archive, sample_store, tmp_path, ds):
    with zipfile.ZipFile(sample_archive) as file:
        file.extractall(tmp_path / "wrapped" / "aa1")
    folder = aa1xr.open(tmp_path / "wrapped", data_dir=tmp_path / "data")
    # The folder goes by another name, and is identified by its files' times.
    folder = folder.assign_attrs({k: ds.attrs[k] for k in ("source", "source_sha256")})
    for other in (folder, aa1xr.open(sample_archive), aa1xr.open(str(sample_store))):
        xr.testing.assert_identical(ds.compute(), other.compute())


def test_open__engine_is_the_same(sample_store, ds):
    engine = xr.open_dataset(sample_store, engine="aa1xr", dt_ms=5, chunks={})
    xr.testing.assert_identical(ds, engine)
    assert engine.sel(area="MLd").sizes["neuron"] == 6
    fewer = xr.open_dataset(sample_store, engine="aa1xr", drop_variables=["spikes", "nothing"])
    assert "spikes" not in fewer


def test_open__engine_lists_its_arguments():
    engine = list_engines()["aa1xr"]
    listed = set(inspect.signature(engine.open_dataset).parameters)
    assert listed == set(engine.open_dataset_parameters)
    # What aa1xr.open takes besides is for finding the store, or is xarray's own.
    finding = {
        "source",
        "data_dir",
        "rebuild",
        "download",
        "username",
        "password",
        "accept_terms",
    }
    ours = set(inspect.signature(aa1xr.open).parameters) - finding - {"chunks"}
    assert ours | {"filename_or_obj", "drop_variables"} == listed


@pytest.mark.parametrize("chunks", [None, {}])
def test_open__pickles_small(sample_archive, chunks):
    ds = aa1xr.open_sample(chunks=chunks)
    data = pickle.dumps(ds)
    assert len(data) < 50_000
    xr.testing.assert_identical(pickle.loads(data).compute(), ds.compute())


def test_open__pre_onset_and_late_spikes(ds):
    wide = aa1xr.open_sample(before_ms=500, after_ms=300)
    assert wide.time.values[0] == -0.5
    assert wide.sizes["time"] == ds.sizes["time"] + 100 + 60
    inner = wide.sel(time=ds.time)
    heard = ds.psth.notnull()
    np.testing.assert_array_equal(inner.psth.where(heard), ds.psth)
    assert float(wide.spikes.sel(time=slice(None, -0.001)).sum()) > 0
    assert (wide.spectrogram.sel(time=slice(None, -0.001)) == 0).all()
    np.testing.assert_array_equal(inner.spectrogram, ds.spectrogram)


def test_open__rebuilds_in_the_place_of_a_damaged_store(sample_archive, tmp_path):
    before = aa1xr.open(sample_archive, data_dir=tmp_path)
    store = Path(before.encoding["source"])
    (store / "zarr.json").unlink()
    with pytest.raises(aa1xr.DataNotFoundError, match="rebuild=True"):
        aa1xr.open(sample_archive, data_dir=tmp_path)
    after = aa1xr.open(sample_archive, data_dir=tmp_path, rebuild=True)
    assert after.encoding["source"] == str(store)
    # Whoever had it open reads on.
    xr.testing.assert_identical(before.n_trials.compute(), after.n_trials.compute())
    with pytest.raises(ValueError, match=r"rebuild=True, but .*\.zarr is a store; what it was"):
        aa1xr.open(store, rebuild=True)
