import asyncio
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import fsspec
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

import aa1xr
from aa1xr.store.layout import CONSOLIDATED, SEAL
from tests.small_archives import archives

SELECTIONS = {
    "whole": lambda ds: ds,
    "one area": lambda ds: ds.sel(area="MLd", type="flatrip"),
    "disorder": lambda ds: ds.isel(neuron=[5, 2, 9], stimulus=[3, 1], time=slice(10, 90)),
    "uneven blocks": lambda ds: ds.chunk(neuron=5, time=30).isel(neuron=slice(3, None)),
    "one neuron": lambda ds: ds.sel(neuron="sim0000_2_B"),
    "one number": lambda ds: ds.isel(neuron=0, stimulus=0, trial=0, time=0, freq=0),
    "masked": lambda ds: ds.where(ds.area == "MLd", drop=True),
    "empty": lambda ds: ds.isel(neuron=[]),
    "own label": lambda ds: ds.assign_coords(depth=("neuron", np.arange(12.0))),
    "in memory": lambda ds: ds.compute(),
    "psth of trials": lambda ds: aa1xr.psth(ds.isel(trial=[0, 2])).to_dataset(),
}


#: What is saved once more, after it was loaded.
AGAIN = {"whole", "uneven blocks", "one number", "psth of trials"}


@pytest.mark.parametrize(
    ("name", "chunks"),
    [*((name, {}) for name in SELECTIONS), *((name, None) for name in ("whole", "disorder"))],
)
def test_save__load_gives_it_back(sample_archive, tmp_path, name, chunks):
    ds = SELECTIONS[name](aa1xr.open_sample(dt_ms=20, chunks=chunks))
    aa1xr.save(ds, tmp_path / "a.zarr")
    back = aa1xr.load(tmp_path / "a.zarr")
    xr.testing.assert_identical(back.compute(), ds.compute())
    assert {name: c.dtype for name, c in back.coords.items()} == {
        name: c.dtype for name, c in ds.coords.items()
    }
    if name not in AGAIN:
        return
    aa1xr.save(back, tmp_path / "b.zarr")
    xr.testing.assert_identical(
        aa1xr.load(tmp_path / "b.zarr", chunks=None).compute(), ds.compute()
    )


@settings(max_examples=settings().max_examples // 10)  # each is saved, which takes the most time
@given(made=archives())
def test_save__load_of_ragged_archives(made):
    with tempfile.TemporaryDirectory() as folder:
        ds = aa1xr.open(made.write(Path(folder) / "a.zip"), data_dir=folder)
        aa1xr.save(ds, Path(folder) / "a.zarr")
        back = aa1xr.load(Path(folder) / "a.zarr")
        xr.testing.assert_identical(back.compute(), ds.compute())
        assert float((back.psth - ds.psth).fillna(0).max()) == 0


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_save__xarrays_own_to_zarr_works(sample_archive, tmp_path):
    ds = aa1xr.open_sample()
    ds.to_zarr(tmp_path / "a.zarr", consolidated=False)
    back = aa1xr.load(tmp_path / "a.zarr")
    xr.testing.assert_identical(back.compute(), ds.compute())


def test_save__leaves_nothing_half_written(sample_archive, tmp_path):
    def fail(block):
        raise OSError("disk full")

    ds = aa1xr.open_sample()
    broken = ds[["psth"]].copy(data={"psth": ds.psth.data.map_blocks(fail, dtype="f4")})
    with pytest.raises(OSError, match="disk full"):
        aa1xr.save(broken, tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


def test_load__is_lazy(sample_archive, tmp_path):
    aa1xr.save(aa1xr.open_sample(), tmp_path / "a.zarr")

    def no_compute(*args, **kwargs):
        raise AssertionError("something was computed")

    # Not even labels go through the scheduler, which may be that of a cluster.
    with dask.config.set(scheduler=no_compute):
        back = aa1xr.load(tmp_path / "a.zarr")
        assert all(back[name].chunks is not None for name in back.data_vars)
        assert all(back[name].chunks is None for name in back.coords)
        back.sel(area="MLd")


@pytest.mark.parametrize("place", ["{}", "file://{}"])
def test_load__of_zarr_format_2(sample_archive, tmp_path, place):
    ds = aa1xr.open_sample()[["n_trials"]].drop_encoding()
    ds.to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=False)
    with pytest.raises(
        (aa1xr.DataNotFoundError, aa1xr.StoreError), match=r"no Zarr store|format 3"
    ):
        aa1xr.load(place.format(tmp_path / "a.zarr"))


def test_load__nothing_at_a_url(tmp_path):
    with pytest.raises(aa1xr.DataNotFoundError, match=f"^{tmp_path}/nothing.zarr: no such store"):
        aa1xr.load(f"file://{tmp_path}/nothing.zarr")
    with pytest.raises(aa1xr.DataNotFoundError, match="no Zarr store of format 3"):
        aa1xr.load("memory://nothing.zarr")


def test_load__metadata_that_were_changed_are_refused(sample_archive, tmp_path):
    path = tmp_path / "a.zarr"
    aa1xr.save(aa1xr.open_sample()[["n_trials"]], path)
    root = path / "zarr.json"
    data = root.read_bytes()
    # Without one of these names it passes for what xarray itself wrote; all it says is right then.
    names = [SEAL.encode(), CONSOLIDATED.encode()]
    for position in range(1, len(data), 211):
        if any(0 <= position - data.index(name) < len(name) for name in names):
            continue
        damaged = bytearray(data)
        damaged[position] ^= 1
        root.write_bytes(damaged)
        with pytest.raises(aa1xr.StoreError, match=r"a\.zarr: .*damaged"):
            aa1xr.load(path)
    # Those of the arrays are of no account: the root has them too.
    root.write_bytes(data)
    (path / "n_trials" / "zarr.json").unlink()
    assert aa1xr.load(path).equals(aa1xr.open_sample()[["n_trials"]])


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_load__what_xarray_wrote_of_what_was_saved(sample_archive, tmp_path):
    ds = aa1xr.open_sample()[["n_trials"]]
    aa1xr.save(ds, tmp_path / "a.zarr")
    part = xr.open_zarr(tmp_path / "a.zarr").drop_encoding().isel(stimulus=[0])
    part.to_zarr(tmp_path / "b.zarr", consolidated=True)
    back = aa1xr.load(tmp_path / "b.zarr")
    xr.testing.assert_equal(back.compute(), ds.isel(stimulus=[0]).compute())
    assert not [name for name in back.attrs if "seal" in name]


@pytest.mark.parametrize("chunks", [{}, None])
def test_load__a_damaged_chunk_is_told_when_it_is_read(sample_archive, tmp_path, chunks):
    aa1xr.save(aa1xr.open_sample()[["psth"]], tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr/psth/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"?")
    back = aa1xr.load(tmp_path / "a.zarr", chunks=chunks)
    with pytest.raises(
        aa1xr.StoreError, match=r"a\.zarr: damaged .*save them again under another name"
    ):
        back["psth"].compute()


def test_load__a_chunk_that_goes_later_is_not_made_up(sample_archive, tmp_path):
    aa1xr.save(aa1xr.open_sample()[["psth"]], tmp_path / "a.zarr")
    back = aa1xr.load(tmp_path / "a.zarr")
    (tmp_path / "a.zarr/psth/c/0/0/0").unlink()
    with pytest.raises(aa1xr.StoreError, match=r"a\.zarr: a part of psth is gone"):
        back.compute()


def test_save__interrupted_at_a_url_does_not_pass_for_whole(sample_archive, monkeypatch):
    ds = aa1xr.open_sample()[["psth", "n_trials"]]
    files = fsspec.filesystem("memory")
    pipe = type(files).pipe_file
    written, last = 0, None

    def write(self, path, *args, **kwargs):
        nonlocal written
        written += 1
        if written == last:
            raise OSError("gone")
        return pipe(self, path, *args, **kwargs)

    monkeypatch.setattr(type(files), "pipe_file", write)
    aa1xr.save(ds, "memory://saved/whole.zarr")
    n = written
    assert n > 30
    for last in (1, 2, 3, n // 2, n - 1, n):
        written, url = 0, f"memory://saved/{last}-part.zarr"
        with pytest.raises(OSError, match=r"part\.zarr.*gone"):
            aa1xr.save(ds, url)
        with pytest.raises((aa1xr.DataNotFoundError, aa1xr.StoreError), match="memory://"):
            aa1xr.load(url)
    files.rm("/saved", recursive=True)


def test_save__by_several_threads(sample_archive, tmp_path):
    # zarr's warning would be an error here.
    ds = aa1xr.open_sample()[["n_trials"]]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: aa1xr.save(ds, tmp_path / f"{n}.zarr"), range(6)))
    assert aa1xr.load(tmp_path / "5.zarr").equals(ds)


# What xarray's own to_zarr does with it


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("consolidated", [False, None, True])
def test_save__xarray_appends_to_it(sample_archive, tmp_path, consolidated):
    ds = aa1xr.open_sample(dt_ms=20)[["psth", "n_trials"]]
    first, second = ds.isel(neuron=slice(0, 5)), ds.isel(neuron=slice(5, None))
    aa1xr.save(first, tmp_path / "a.zarr")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        second.drop_encoding().to_zarr(
            tmp_path / "a.zarr", append_dim="neuron", consolidated=consolidated
        )
    back = aa1xr.load(tmp_path / "a.zarr")
    xr.testing.assert_equal(back.compute(), ds.compute())
    assert back.neuron.dtype == ds.neuron.dtype


@pytest.mark.parametrize("consolidated", [False, None])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_save__xarray_writes_beside_it(sample_archive, tmp_path, consolidated):
    ds = aa1xr.open_sample(dt_ms=20)
    aa1xr.save(ds[["psth"]], tmp_path / "a.zarr")
    mean = ds.psth.mean("time").rename("m").to_dataset()
    mean.to_zarr(tmp_path / "a.zarr", mode="a", consolidated=consolidated)
    back = aa1xr.load(tmp_path / "a.zarr")
    xr.testing.assert_allclose(back.m.compute(), mean.m.compute())
    xr.testing.assert_equal(back.psth.compute(), ds.psth.compute())


def test_load__what_xarray_wrote_has_no_chunk_of_nan(tmp_path):
    x = np.arange(8.0).reshape(4, 2)
    x[2:] = np.nan
    ds = xr.Dataset({"x": (("a", "b"), x)})
    ds.chunk(a=2).to_zarr(tmp_path / "a.zarr", consolidated=False, write_empty_chunks=False)
    assert not (tmp_path / "a.zarr/x/c/1/0").exists()
    xr.testing.assert_equal(aa1xr.load(tmp_path / "a.zarr").compute(), ds)
    # aa1xr.save writes it, so that it can be missed.
    aa1xr.save(ds, tmp_path / "b.zarr")
    (tmp_path / "b.zarr/x/c/0/0").unlink()
    with pytest.raises(aa1xr.StoreError, match="x has 0 of its 1 chunks; x/c/0/0 is missing"):
        aa1xr.load(tmp_path / "b.zarr")


@pytest.mark.parametrize("strings", [["a"], ["", ""], ["ü", "日本語", "🐦"]])
def test_save__strings_of_any_kind(tmp_path, strings):
    n = len(strings)
    ds = xr.Dataset(
        {"text": ("x", np.array(strings)), "one": ((), "single"), "n": ("x", np.arange(n))},
        {"x": np.array(strings) if len(set(strings)) == n else np.arange(n)},
    )
    aa1xr.save(ds.assign_coords(big_endian=("x", np.array(strings, ">U3"))), tmp_path / "a.zarr")
    back = aa1xr.load(tmp_path / "a.zarr").compute()
    assert back.big_endian.values.tolist() == strings
    xr.testing.assert_identical(back.drop_vars("big_endian"), ds)
    assert xr.open_zarr(tmp_path / "a.zarr").text.dtype.kind == "U"


def test_load_async(sample_archive, tmp_path):
    ds = aa1xr.open_sample(dt_ms=20)
    aa1xr.save(ds[["psth", "n_trials"]], tmp_path / "a.zarr")

    async def load(lazy):
        return await lazy.load_async()

    lazy = aa1xr.open_sample(dt_ms=20, chunks=None)
    picked = lazy.isel(neuron=[3, 1, 1], time=slice(None, None, -2))
    xr.testing.assert_identical(asyncio.run(load(picked)), picked.compute())
    xr.testing.assert_identical(asyncio.run(load(lazy)), ds.compute())
    saved = aa1xr.load(tmp_path / "a.zarr", chunks=None)
    xr.testing.assert_identical(asyncio.run(load(saved)), ds[["psth", "n_trials"]].compute())


NOT_AS_THEY_ARE = {
    "scale_factor": {"scale_factor": 2.0},
    "add_offset": {"add_offset": 5},
    "_FillValue": {"_FillValue": 1.0},
    "missing_value": {"missing_value": 1.0},
    "a unit of time": {"units": "days since 2000-01-01"},
    "no unit of time": {"units": "days since yesterday"},
    "dtype": {"dtype": "bool"},
    "coordinates": {"coordinates": "y"},
}


@pytest.mark.parametrize("attrs", NOT_AS_THEY_ARE.values(), ids=NOT_AS_THEY_ARE.keys())
def test_save__refuses_attributes_that_make_other_values(tmp_path, attrs):
    ds = xr.Dataset({"x": ("neuron", np.arange(3.0), attrs), "y": ("neuron", np.arange(3.0))})
    with pytest.raises(ValueError, match=r"would be read as|could not be read again|_FillValue"):
        aa1xr.save(ds, tmp_path / "x.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a/b", "/a", "a\\b", "zarr.json", "..", " ", "", "\ud800", None])
def test_save__refuses_names_of_no_folder(tmp_path, name):
    ds = xr.Dataset({name: ("neuron", np.arange(3.0))})
    with pytest.raises(ValueError, match="names of variables and dimensions must be text"):
        aa1xr.save(ds, tmp_path / "x.zarr")


@pytest.mark.filterwarnings("ignore:The data type")
def test_save__bytes_that_xarray_would_join(tmp_path):
    ds = xr.Dataset({"x": ("neuron", np.array([b"a", b"b"]))})
    with pytest.raises(ValueError, match=r"ds\['x'\] would be read as other values"):
        aa1xr.save(ds, tmp_path / "x.zarr")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_save__where_no_file_can_be_made(monkeypatch):
    monkeypatch.setattr("aa1xr.atomic._PATIENCE", 0.1)
    with pytest.raises(OSError, match="/proc"):
        aa1xr.save(xr.Dataset({"x": 1}), "/proc/x.zarr")
