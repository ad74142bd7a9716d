"""The accessors are the functions, and nothing else."""

import inspect

import pytest
import xarray as xr

import aa1xr
from aa1xr.accessor import DataArrayAccessor, DatasetAccessor, PlotAccessor

METHODS = [
    pytest.param(accessor, room, name, id=f"{accessor.__name__}.{name}")
    for accessor, room in (
        (DatasetAccessor, aa1xr),
        (DataArrayAccessor, aa1xr),
        (PlotAccessor, aa1xr.plot),
    )
    for name, method in vars(accessor).items()
    if inspect.isfunction(method) and not name.startswith("_")
]


@pytest.mark.parametrize(("accessor", "room", "name"), METHODS)
def test_accessor__has_the_arguments_of_the_function(accessor, room, name):
    function = getattr(room, name)
    # All but the data itself, which is not the first argument of a score.
    parameters = inspect.signature(function).parameters.values()
    wanted = [
        parameter for parameter in parameters if parameter.name not in {"ds", "da", "data", "obj"}
    ]
    got = list(inspect.signature(getattr(accessor, name)).parameters.values())[1:]
    assert [(p.name, p.default) for p in got] == [(p.name, p.default) for p in wanted]
    first, last = (inspect.getdoc(f).splitlines()[0] for f in (function, getattr(accessor, name)))
    assert first.startswith(last.rstrip("."))


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_accessor__is_the_function(sample_archive):
    ds = aa1xr.open_sample()
    xr.testing.assert_identical(ds.aa1.resample(20), aa1xr.resample(ds, dt_ms=20))
    xr.testing.assert_identical(ds.aa1.presented(), aa1xr.presented(ds))
    xr.testing.assert_identical(ds.aa1.psth(), aa1xr.psth(ds))
    xr.testing.assert_identical(ds.aa1.simultaneous(), aa1xr.simultaneous(ds))
    xr.testing.assert_identical(ds.aa1.quality(), aa1xr.quality(ds))
    xr.testing.assert_identical(ds.aa1.with_quality(), aa1xr.with_quality(ds))
    xr.testing.assert_identical(ds.aa1.score(ds.psth), aa1xr.score(ds.psth, ds))
    xr.testing.assert_identical(ds.aa1.coherence(ds.psth), aa1xr.coherence(ds.psth, ds))
    songs = ds.sel(type="conspecific")
    xr.testing.assert_identical(songs.aa1.drop_missing(), aa1xr.drop_missing(songs))
    assert ds.aa1.to_pandas().equals(aa1xr.to_pandas(ds))
    assert str(ds.aa1.split(n_folds=3)) == str(aa1xr.split(ds, n_folds=3))
    xr.testing.assert_identical(ds.psth.aa1.smooth(30), aa1xr.smooth(ds.psth, window_ms=30))
    for one, other in (
        (ds.psth.aa1.normalize(), aa1xr.normalize(ds.psth)),
        (ds.psth.aa1.standardize(over=...), aa1xr.standardize(ds.psth, over=...)),
    ):
        xr.testing.assert_identical(one[0], other[0])
