"""A Dataset that its user changed in ordinary ways works with every function.

Each function gives the same for the changed Dataset as for the unchanged one, or an error of the
package that names what the change took away.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
import pickle
import re
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import dask
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.io import loadmat

import aa1xr
from aa1xr import benchmark, plot
from stress.misuse import PACKAGE
from stress.misuse.case import Inputs

#: Cells of so few trials leave some measures undefined; zarr 3.1 warns of NumPy's strings.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning"),
    pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification"),
]

CELL, SOUND = "sim0000_1_A", "flatrip-00"

#: Columns of tables that every change leaves.
NUMBERS = {
    "neuron": ["n_stimuli", "n_trials", "n_spikes", "rate_driven", "ttrc"],
    "stimulus": ["n_neurons", "n_trials", "n_spikes"],
}


class Change(NamedTuple):
    make: Callable[[Inputs, xr.Dataset], xr.Dataset]
    lost: tuple[str, ...] = ()  #: names that are gone
    says: str = ""  #: what an error may name in their place


def without(*names: str) -> Change:
    return Change(lambda t, ds: ds.drop_vars(names), names)


def parts(ds: xr.Dataset, dim: str, at: int) -> list[xr.Dataset]:
    return [ds.isel({dim: slice(at)}), ds.isel({dim: slice(at, None)})]


def joined(dim: str, at: int) -> Change:
    return Change(lambda t, ds: xr.concat(parts(ds, dim, at), dim, data_vars="minimal"))


def by_zarr(t: Inputs, ds: xr.Dataset) -> xr.Dataset:
    ds.to_zarr(path := t.new(), consolidated=False)
    return xr.open_zarr(path, consolidated=False)


def by_xarray(t: Inputs, ds: xr.Dataset) -> xr.Dataset:
    aa1xr.save(ds, path := t.new())
    return xr.open_zarr(path)


def by_netcdf(t: Inputs, ds: xr.Dataset) -> xr.Dataset:
    return xr.load_dataset(bytes(ds.drop_encoding().to_netcdf(engine="scipy")), engine="scipy")


def by_save(t: Inputs, ds: xr.Dataset) -> xr.Dataset:
    aa1xr.save(ds, path := t.new())
    return aa1xr.load(path)


def with_more(ds: xr.Dataset) -> xr.Dataset:
    more = {
        "depth_um": ("neuron", np.arange(4.0)),
        "rate": ds.psth.mean("time"),
        "waveform": (("neuron", "sample"), np.zeros((4, 5))),
    }
    layers = ("neuron", list("aabb"))
    order = (("neuron", "stimulus"), np.arange(28).reshape(4, 7))
    return ds.assign(more).assign_coords(layer=layers, session=3, order=order, sample=range(5))


def strings(ds: xr.Dataset, dtype: Any) -> xr.Dataset:
    coords = {name: coord for name, coord in ds.coords.items() if coord.dtype.kind == "U"}
    return ds.assign_coords(
        {name: (c.dims, c.values.astype(dtype), c.attrs) for name, c in coords.items()}
    )


def merged(ds: xr.Dataset) -> xr.Dataset:
    depths = pd.DataFrame({"depth_um": range(4)}, index=ds.neuron.values[::-1])
    return ds.merge(depths.rename_axis("neuron").to_xarray(), join="left")


LABELS = ("area", "animal_id", "cell_seq", "rig")
SPREAD = r"data_vars=.minimal"
CHANGES: dict[str, Change] = {
    "in memory": Change(lambda t, ds: ds.compute()),
    "without dask": Change(lambda t, ds: t.open(before_ms=100, dt_ms=20, chunks=None)),
    "rechunked": Change(lambda t, ds: ds.chunk(neuron=2, stimulus=4, trial=3, time=80)),
    "transposed": Change(lambda t, ds: ds.transpose("freq", "time", "trial", "stimulus", "neuron")),
    "more variables and coordinates": Change(lambda t, ds: with_more(ds)),
    "a merged table": Change(lambda t, ds: merged(ds)),
    "labels renamed": Change(
        lambda t, ds: ds.rename(area="region", cell_seq="site"), ("area", "cell_seq")
    ),
    "a variable renamed": Change(lambda t, ds: ds.rename(psth="rate"), ("psth",), "'rate'"),
    "variables as float64": Change(lambda t, ds: ds.map(lambda a: a.astype(float))),
    "labels as objects": Change(lambda t, ds: strings(ds, object)),
    "labels as strings of any length": Change(lambda t, ds: strings(ds, np.dtypes.StringDType())),
    "labels as indexes": Change(lambda t, ds: ds.set_xindex("area").set_xindex("type")),
    "no indexes": Change(lambda t, ds: ds.drop_indexes(["neuron", "stimulus", "trial"])),
    "no attributes": Change(lambda t, ds: ds.drop_attrs(deep=False)),
    "no attributes of anything": Change(
        lambda t, ds: ds.drop_attrs(), ("units", "compression"), "dt_ms|units|spectrogram"
    ),
    "areas joined": Change(
        lambda t, ds: xr.concat([ds.sel(area=a) for a in aa1xr.schema.AREAS], "neuron",
                                data_vars="minimal")
    ),
    "areas joined by default": Change(
        lambda t, ds: xr.concat(parts(ds, "neuron", 2), "neuron", data_vars="all"), (), SPREAD
    ),
    "stimuli joined": joined("stimulus", 3),
    "windows joined": joined("time", 40),
    "trials joined": joined("trial", 1),
    "where": Change(lambda t, ds: ds.where(ds.area != ""), (), SPREAD),
    "reindexed": Change(lambda t, ds: ds[{"neuron": [3, 1, 2, 0]}].reindex_like(ds.neuron)),
    "map_blocks": Change(lambda t, ds: ds.map_blocks(lambda block: block)),
    "netCDF": Change(by_netcdf),
    "to_zarr": Change(by_zarr),
    "open_zarr of saved": Change(by_xarray),
    "pickle": Change(lambda t, ds: pickle.loads(pickle.dumps(ds))),
    "to_dict": Change(lambda t, ds: xr.Dataset.from_dict(ds.to_dict())),
    "DataTree": Change(lambda t, ds: xr.DataTree.from_dict({"/aa1": ds})["aa1"].to_dataset()),
    "spikes alone": without("psth", "spectrogram", "n_trials", "freq"),
    "psth alone": without("spikes", "spectrogram", "n_trials", "trial", "freq"),
    "spectrogram alone": without("spikes", "psth", "n_trials", "neuron", *LABELS, "trial"),
    "n_trials alone": without("spikes", "psth", "spectrogram", "time", "freq"),
    "no labels of neurons": without(*LABELS),
    **{f"no {name}": without(name) for name in aa1xr.schema.DIMS},
    "no type": without("type"),
    "no duration_s": without("duration_s"),
}  # fmt: skip


class Function(NamedTuple):
    call: Callable[[Inputs, xr.Dataset], Any]
    needs: str = ""  #: what of the Dataset it is given
    fine: bool = False  #: whether it takes the Dataset as the protocol wants it


def sets(ds: xr.Dataset) -> list[xr.Dataset]:
    return [ds.isel(stimulus=slice(4)), ds.isel(stimulus=slice(4, None))]


def nwb(t: Inputs, ds: xr.Dataset) -> Any:
    h5py = pytest.importorskip("h5py")
    out = {}
    for path in aa1xr.to_nwb(ds, t.new()):
        with h5py.File(path) as file:
            units = file["units"]
            out[path.name] = {name: units[name][:] for name in ("spike_times", "neuron", "rig")}
    return out


def mat(t: Inputs, ds: xr.Dataset) -> Any:
    found = loadmat(aa1xr.to_mat(ds, t.new(".mat")))
    return [np.hstack([train for cells in found["spike_times"].flat for train in cells[:, 0]]),
            found["n_trials"], found["neuron"], found["stimulus"]]  # fmt: skip


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def pynapple(t: Inputs, ds: xr.Dataset) -> Any:
    sites = aa1xr.to_pynapple(ds)
    return {
        name: [site.units.metadata, site.trials.as_dataframe(), *(u.t for u in site.units.values())]
        for name, site in sites.items()
    }


def means(ds: xr.Dataset) -> xr.DataArray:
    return ds["n_trials"].mean("stimulus")


def picture(function: Callable[..., Any], *names: str | None) -> Function:
    """What is in the figure: titles, labels of the axes, lines, images and points."""

    def draw(t: Inputs, ds: xr.Dataset) -> list[Any]:
        try:
            function(ds, *names)
            return [
                [
                    [axes.get_xlabel(), axes.get_ylabel(), axes.get_title()],
                    [text.get_text() for text in axes.texts],
                    [(line.get_label(), line.get_xydata()) for line in axes.lines],
                    [(c.get_array(), c.get_offsets()) for c in axes.collections],
                    [patch.get_verts() for patch in axes.patches],
                ]
                for axes in plt.gcf().axes
            ]
        finally:
            plt.close("all")

    return Function(draw)


ONE = dataclasses.replace(benchmark.PROTOCOLS["cv10"], n_splits=1)
FUNCTIONS: dict[str, Function] = {
    "psth": Function(lambda t, ds: aa1xr.psth(ds)),
    "presented": Function(lambda t, ds: aa1xr.presented(ds)),
    "drop_missing": Function(lambda t, ds: aa1xr.drop_missing(ds)),
    "simultaneous": Function(lambda t, ds: aa1xr.simultaneous(ds)),
    "quality": Function(lambda t, ds: aa1xr.quality(ds)),
    "with_quality": Function(lambda t, ds: aa1xr.with_quality(ds)),
    "resample": Function(lambda t, ds: aa1xr.resample(ds, dt_ms=40)),
    "split": Function(lambda t, ds: aa1xr.split(ds, test=2)),
    "strf": Function(lambda t, ds: aa1xr.strf(ds, **t.lists, lags_ms=60, alphas=[1])),
    "predict": Function(lambda t, ds: aa1xr.predict(ds, t.fit)),
    "score": Function(lambda t, ds: aa1xr.score(ds, t.rate)),
    "coherence": Function(lambda t, ds: aa1xr.coherence(ds, t.rate)),
    "modulation_spectrum": Function(lambda t, ds: aa1xr.modulation_spectrum(ds)),
    "events": Function(lambda t, ds: aa1xr.events(ds)),
    "spike_counts": Function(lambda t, ds: aa1xr.spike_counts(ds)),
    "dprime": Function(lambda t, ds: aa1xr.dprime(*sets(ds))),
    "responsiveness": Function(lambda t, ds: aa1xr.responsiveness(ds, window_s=0.1)),
    "take_trials": Function(lambda t, ds: aa1xr.take_trials(ds, "odd")),
    "trial_halves": Function(lambda t, ds: aa1xr.trial_halves(ds)),
    "jackknife": Function(
        lambda t, ds: aa1xr.jackknife(means, ds, over="stimulus"), "n_trials"
    ),
    "bootstrap": Function(
        lambda t, ds: aa1xr.bootstrap(means, ds, over="stimulus", n=3), "n_trials"
    ),
    "sel": Function(
        lambda t, ds: aa1xr.sel(ds, area=["MLd"], cell_seq=slice(2, 9), type="flatrip")
    ),
    "smooth": Function(lambda t, ds: aa1xr.smooth(ds["psth"]), "psth"),
    "normalize": Function(lambda t, ds: aa1xr.normalize(ds["psth"]), "psth"),
    "spectrogram": Function(lambda t, ds: aa1xr.spectrogram(ds, "gammatone"), "time"),
    "with_spectrogram": Function(
        lambda t, ds: aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, "gammatone")), "time"
    ),
    "standardize": Function(
        lambda t, ds: aa1xr.standardize(ds["spectrogram"], over=("stimulus", "time")), "spectrogram"
    ),
    "fit_nonlinearity": Function(lambda t, ds: aa1xr.fit_nonlinearity(t.rate, ds["psth"]), "psth"),
    "save": Function(by_save),
    "neurons": Function(lambda t, ds: aa1xr.neurons(ds, quality=True)[NUMBERS["neuron"]]),
    "stimuli": Function(lambda t, ds: aa1xr.stimuli(ds)[NUMBERS["stimulus"]]),
    "trials": Function(lambda t, ds: aa1xr.trials(ds)[["stimulus", "trial", "n_spikes"]]),
    "to_pandas": Function(lambda t, ds: aa1xr.to_pandas(ds)),
    "to_mat": Function(mat),
    "to_pynapple": Function(pynapple),
    # Of the whole stimulus where there are no bins.
    "sounds": Function(lambda t, ds: {"time": aa1xr.sounds(ds).compute()}),
    "listen": Function(lambda t, ds: {"time": md5(aa1xr.listen(ds, SOUND, neuron=CELL).data)}),
    "to_wav": Function(lambda t, ds: [md5(p.read_bytes()) for p in aa1xr.to_wav(ds, t.new())]),
    "to_nwb": Function(nwb),
    "benchmark.run": Function(
        lambda t, ds: benchmark.run(ds, ONE).drop_vars("seconds"), fine=True  # a time is another
    ),
    "benchmark.score_prediction": Function(
        lambda t, ds: benchmark.score_prediction(ds, t.fine.psth.expand_dims(split=1), ONE),
        fine=True,
    ),
    "benchmark.true_rate": Function(
        lambda t, ds: benchmark.true_rate(ds, t.truth, ONE), fine=True
    ),
    "benchmark.Protocol": Function(lambda t, ds: ONE.prepare(ds), fine=True),
    "plot.coverage": picture(plot.coverage),
    "plot.modulation_spectrum": picture(plot.modulation_spectrum, None, SOUND),
    "plot.population": picture(plot.population, SOUND),
    "plot.psth": picture(plot.psth, CELL, SOUND),
    "plot.quality": picture(plot.quality),
    "plot.raster": picture(plot.raster, CELL, SOUND),
    "plot.response": picture(plot.response, CELL, SOUND),
    "plot.spectrogram": picture(plot.spectrogram, SOUND),
}  # fmt: skip
#: These take longer, and are tried with what is most unlike the original.
SLOW = {
    "to_nwb", "to_pynapple", "save", "strf", "predict", "responsiveness", "score", "coherence",
    "with_quality", "bootstrap", "jackknife", "dprime",
    *(name for name in FUNCTIONS if name.startswith(("plot.", "benchmark."))),
}  # fmt: skip
UNLIKE = {
    "rechunked", "transposed", "more variables and coordinates", "labels as objects", "netCDF",
    "areas joined by default", "open_zarr of saved", "spikes alone", "no duration_s",
    "no labels of neurons", "no attributes of anything", "labels as strings of any length",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Threads cost more than they save on so little, and so do long fields of the benchmark."""
    with dask.config.set(scheduler="synchronous"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("aa1xr.benchmark.models._LAGS_MS", (15,))
        yield


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    return Inputs(tmp_path_factory.mktemp("things"))


@pytest.fixture(scope="module")
def changed(things):
    def make(name: str, *, fine: bool) -> xr.Dataset:
        return CHANGES[name].make(things, (things.fine if fine else things.ds).copy())

    return cache(make)


@pytest.fixture(scope="module")
def right(things):
    def call(name: str) -> Any:
        function = FUNCTIONS[name]
        return in_memory(function.call(things, things.fine if function.fine else things.ds))

    return cache(call)


#: These leave a variable that was spread as it is.
ANY = {"sel", "save", "resample", "standardize"}
#: The fits.
SLOWEST = {"strf", "benchmark.run"}
#: A third of the pairs, in which each change and each function is; all where it is asked for.
EVERY = 1 if os.environ.get("AA1XR_HYPOTHESIS") == "deep" else 3
CASES = [
    (change, function)
    for n, change in enumerate(CHANGES)
    for m, function in enumerate(FUNCTIONS)
    if ((n + m) % EVERY == 0 or function in SLOWEST or CHANGES[change].says == SPREAD)
    and (function not in SLOW or change in UNLIKE)
    and (function not in SLOWEST or change in {"rechunked", "no labels of neurons"})
    and not (CHANGES[change].says == SPREAD and function in ANY)
    and FUNCTIONS[function].needs not in CHANGES[change].lost
    # It cannot know whether a bin that ends after the Dataset is silence, and gives NaN.
    and (change, function) != ("no duration_s", "resample")
]


@pytest.mark.parametrize(("change", "function"), CASES)
def test_function__of_a_changed_dataset(change, function, things, changed, right):
    call, _, fine = FUNCTIONS[function]
    ds, expected = changed(change, fine=fine), right(function)
    _, lost, says = CHANGES[change]
    try:
        got = in_memory(call(things, ds))
    except (ValueError, KeyError) as error:
        assert lost or says, f"nothing was taken away, and yet {error!r}"  # noqa: PT017
        named = "|".join([*(rf"\b{name}s?\b" for name in lost), *filter(None, [says])])
        assert re.search(named, str(error)), error  # noqa: PT017
        place = traceback.extract_tb(error.__traceback__)[-1]
        assert place.filename.startswith(PACKAGE), place
        return
    if not (function.startswith("plot.") and lost):  # without what is not there
        assert_same(got, expected, lost)


def in_memory(result: Any) -> Any:
    """With all variables computed, at once."""
    if isinstance(result, tuple | list):
        return [in_memory(part) for part in result]
    return result.compute() if isinstance(result, xr.Dataset | xr.DataArray) else result


def assert_same(got: Any, right: Any, lost: tuple[str, ...] = ()) -> None:
    """Assert equal values to rounding, and equal units, of all that was not lost."""
    assert type(got) is type(right)
    got, right = (as_dict(each) for each in (got, right))
    match right:
        case dict():
            assert set(got) >= set(right) - set(lost)
            for name in set(right) - set(lost):
                assert_same(got[name], right[name], lost)
        case list() | tuple():
            assert len(got) == len(right)
            for one, other in zip(got, right, strict=True):
                assert_same(one, other, lost)
        case xr.Variable():
            assert got.attrs.get("units") == right.attrs.get("units") or "units" in lost
            assert_same(got.transpose(*right.dims).values, right.values)
        case np.ndarray() if right.dtype.kind == "f":
            np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-6)
        case np.ndarray():
            assert got.tolist() == right.tolist()
        case str() | int() | float() | slice() | None:
            assert got == right
        case _:
            raise NotImplementedError(f"cannot compare {right!r}")


def as_dict(result: Any) -> Any:
    """What has parts with names, by these."""
    if dataclasses.is_dataclass(result):
        return {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    match result:
        case xr.DataArray():
            return {"its data": result.variable, **as_dict(result.coords.to_dataset())}
        case xr.Dataset():
            return {name: v.to_base_variable() for name, v in result.variables.items()}
        case pd.DataFrame():
            return {name: column.to_numpy() for name, column in result.items()}
    return result


def test_functions__are_all_that_take_data():
    public = {
        name
        for name in aa1xr.__all__
        if inspect.isfunction(function := getattr(aa1xr, name))
        and {"ds", "da", "data", "a", "source"} & set(inspect.signature(function).parameters)
    }
    # These take results or files, or give lists of tensors or a page.
    assert (
        public
        - {"open", "build", "verify", "copy_store", "to_torch", "to_deepstrf", "explore"}
        - set(FUNCTIONS)
        == set()
    )
    # These take fits and scores, or nothing.
    others = {"plot.compare", "plot.strf", "plot.strfs", "plot.style"}
    assert {f"plot.{name}" for name in plot.__all__} - others - set(FUNCTIONS) == set()


DATASET = xr.Dataset({"a": ("x", [1.0, 2.0], {"units": "s"})}, {"x": ["p", "q"]})


@pytest.mark.parametrize(
    "other",
    [DATASET * 2, DATASET.drop_attrs(), DATASET.rename(a="b"), DATASET[{"x": [1, 0]}],
     DATASET.drop_vars("x"), DATASET.a],
)  # fmt: skip
def test_assert_same__tells_apart(other):
    with pytest.raises((AssertionError, KeyError)):
        assert_same(other, DATASET)
    with pytest.raises((AssertionError, KeyError)):
        assert_same([DATASET, {"a": other}], [DATASET, {"a": DATASET}])
    assert_same(DATASET, DATASET)
    assert_same(DATASET.drop_vars("x"), DATASET, ("x",))
