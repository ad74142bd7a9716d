"""The accessors are the functions, and nothing else."""

import inspect
import pydoc
import re

import pytest
import xarray as xr

import aa1xr
from aa1xr.accessor import DataArrayAccessor, DatasetAccessor, PlotAccessor


def methods(accessor):
    return {name for name in vars(accessor) if not name.startswith("_")} - {"plot"}


def functions(kind):
    """The public functions whose first argument may be of a kind, with their names."""
    public = {name: getattr(aa1xr, name) for name in aa1xr.__all__}
    for name, function in public.items():
        if inspect.isfunction(function):
            first, *_ = *inspect.signature(function).parameters.values(), None
            if first and re.search(rf"\b({kind}|Data)\b", str(first.annotation)):
                yield name, function


@pytest.mark.parametrize(
    ("accessor", "kind"), [(DatasetAccessor, "xr.Dataset"), (DataArrayAccessor, "xr.DataArray")]
)
def test_accessor__has_every_function_that_takes_the_data(accessor, kind):
    assert methods(accessor) == {name for name, _ in functions(kind)}
    for name in methods(accessor):
        assert getattr(accessor, name) is getattr(aa1xr, name)


def test_accessor__has_every_plot():
    assert {name: getattr(PlotAccessor, name) for name in methods(PlotAccessor)} == {
        name: getattr(aa1xr.plot, name) for name in aa1xr.plot.__all__ if name != "style"
    }


def test_method__shows_the_function_without_the_data():
    ds = aa1xr.open_sample()
    for owner, name, function in (
        (ds.aa1, "quality", aa1xr.quality),
        (ds.psth.aa1, "smooth", aa1xr.smooth),
        (ds.aa1.plot, "raster", aa1xr.plot.raster),
    ):
        method = getattr(owner, name)
        _, *wanted = inspect.signature(function).parameters.values()
        assert list(inspect.signature(method).parameters.values()) == wanted
        assert inspect.getdoc(method) == inspect.getdoc(function)
        assert inspect.getdoc(function).splitlines()[0] in pydoc.plain(pydoc.render_doc(method))


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_accessor__is_the_function(sample_archive):
    ds = aa1xr.open_sample()
    xr.testing.assert_identical(ds.aa1.resample(20), aa1xr.resample(ds, dt_ms=20))
    xr.testing.assert_identical(ds.aa1.score(ds.psth), aa1xr.score(ds, ds.psth))
    songs = ds.sel(type="conspecific")
    xr.testing.assert_identical(songs.aa1.drop_missing(), aa1xr.drop_missing(songs))
    assert str(ds.aa1.split(n_folds=3)) == str(aa1xr.split(ds, n_folds=3))
    xr.testing.assert_identical(ds.psth.aa1.smooth(30), aa1xr.smooth(ds.psth, window_ms=30))
    one, other = ds.psth.aa1.standardize(over=...), aa1xr.standardize(ds.psth, over=...)
    xr.testing.assert_identical(one[0], other[0])
