"""The benchmark: protocols, models, areas, seeds, folders and predictions."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from aa1xr import benchmark
from stress.misuse.case import Case, Inputs, refused, works


def _run(t: Inputs, *, ds: Any = None, protocol: Any = None, **options: Any) -> xr.Dataset:
    return benchmark.run(
        t.fine if ds is None else ds, protocol or t.protocol, **{"areas": ["MLd"]} | options
    )


def _score(t: Inputs, rate: Any, ds: Any = None, protocol: Any = None) -> xr.Dataset:
    return benchmark.score_prediction(t.fine if ds is None else ds, rate, protocol or t.protocol)


def _rates(t: Inputs) -> xr.DataArray:
    return t.fine.psth.expand_dims(split=t.protocol.n_splits)


def _truth(t: Inputs, **changed: Any) -> xr.DataArray:
    of = {"truth": t.truth, "ds": t.fine, "protocol": t.protocol} | changed
    return benchmark.true_rate(**of)


def _used(t: Inputs) -> Any:
    """A folder with results of another protocol."""
    _run(t, ds=_coarse(t), protocol=ONE, path=(folder := t.new()))
    return folder


def _coarse(t: Inputs) -> xr.Dataset:
    return t.open(**ONE.options)


def _protocol(**changed: Any) -> benchmark.Protocol:
    return dataclasses.replace(benchmark.PROTOCOLS["cv10"], **changed)


#: It takes no time.
ONE = _protocol(name="one", n_splits=1, dt_ms=20.0)
UNKNOWN_PROTOCOL = "protocol='cv'; expected one of 'rancon2025', "

ROWS: tuple[tuple[Any, ...], ...] = (
    ("benchmark.run", "a misspelt model", lambda t: _run(t, model="ridge_ln"),
     "model='ridge_ln'; expected one of 'ridge', 'ridge-ln', 'gru', 'gru-ensemble', 'mamba'"),
    ("benchmark.run", "model=None", lambda t: _run(t, model=None),
     "model 'NoneType' is NoneType; expected a function", TypeError),
    ("benchmark.run", "a function of other arguments", lambda t: _run(t, model=len),
     r"model 'len' must be a function \(known, split, stimuli\)", TypeError),
    ("benchmark.run", "a model that returns nothing", lambda t: _run(t, model=lambda *data: None),
     r"must return rates \[shape: \(neuron, stimulus, time\)\]"),
    ("benchmark.run", "a stimulus twice",
     lambda t: _run(t, ds=t.fine.isel(stimulus=[0, 0, 1, 2, 3])),
     "each stimulus must have a label of its own.*'conspecific-00' twice"),
    ("benchmark.run", "a module that is not there", lambda t: _run(t, model="nothing:model"),
     "model='nothing:model' must be 'package.module:attribute'"),
    ("benchmark.check_model", "a misspelt model", lambda t: benchmark.check_model("ridge_ln"),
     "model='ridge_ln'; expected one of 'ridge'"),
    ("benchmark.run", "a misspelt protocol", lambda t: _run(t, protocol="cv"),
     UNKNOWN_PROTOCOL),
    ("benchmark.run", "a misspelt area", lambda t: _run(t, areas=["MLD"]),
     "no area 'MLD'; there are Field_L, MLd"),
    ("benchmark.run", "an area as a single string", lambda t: _run(t, areas="MLd"),
     r"areas is one str; expected a list: \['MLd'\]", TypeError),
    ("benchmark.run", "no area", lambda t: _run(t, areas=[]), "areas=.*expected at least one"),
    ("benchmark.run", "areas by number", lambda t: _run(t, areas=[1]),
     "areas has 1 in it", TypeError),
    ("benchmark.run", "an area that was not selected",
     lambda t: _run(t, ds=t.fine.sel(area="MLd"), areas=["Field_L"]), "no area 'Field_L'"),
    ("benchmark.run", "a single seed", lambda t: _run(t, seeds=0),
     r"seeds is one int; expected a list: \[0\]", TypeError),
    ("benchmark.run", "a seed as a string", lambda t: _run(t, seeds="0"),
     "seeds is one str", TypeError),
    ("benchmark.run", "seeds as strings", lambda t: _run(t, seeds=["0"]),
     "seeds='0'; expected a whole number, at least 0"),
    ("benchmark.run", "a fraction for a seed", lambda t: _run(t, seeds=[0.5]), "seeds=0.5"),
    ("benchmark.run", "no seed", lambda t: _run(t, seeds=[]), r"seeds=\[\]; expected at least one"),
    ("benchmark.run", "a single split", lambda t: _run(t, splits=0),
     r"splits is one int; expected a list: \[0\]", TypeError),
    ("benchmark.run", "a split that is not there", lambda t: _run(t, splits=[10**6]),
     "splits must be at most .*the splits of protocol .* count from 0; got 1000000"),
    ("benchmark.run", "no split", lambda t: _run(t, splits=[]), r"splits=\[\].*expected at least"),
    ("benchmark.run", "another bin width", lambda t: _run(t, ds=t.ds),
     r"needs dt_ms=5.0, and the Dataset has 20.0; open it with aa1xr.open\(source, \*\*"),
    ("benchmark.run", "another spectrogram", lambda t: _run(t, ds=t.open(dt_ms=5, n_mels=16)),
     "needs n_mels=32, and the Dataset has 16"),
    ("benchmark.run", "a window before onset", lambda t: _run(t, ds=t.open(dt_ms=5, before_ms=100)),
     "needs before_ms=0"),
    ("benchmark.run", "a saved Dataset without attributes",
     lambda t: _run(t, ds=t.fine.drop_attrs(deep=False)),
     "needs dt_ms=5.0, and the Dataset has No"),
    ("benchmark.run", "times that were selected",
     lambda t: _run(t, ds=t.fine.sel(time=slice(0, 1))), "over whole sounds; select no times"),
    ("benchmark.run", "trials that were selected",
     lambda t: _run(t, ds=t.fine.isel(trial=[0, 1])),
     "are of more presentations than the Dataset has trials"),
    ("benchmark.run", "ripples alone", lambda t: _run(t, ds=t.fine.sel(type="flatrip")),
     "needs sounds of type 'conspecific'"),
    ("benchmark.run", "too few sounds",
     lambda t: _run(t, ds=t.fine.isel(stimulus=[0, 1])), "2 conspecific sounds are too few"),
    ("benchmark.run", "responses that are missing",
     lambda t: _run(t, ds=t.fine.drop_vars("psth")), "no variable 'psth'; it has: spikes"),
    ("benchmark.run", "a folder of another protocol", lambda t: _run(t, path=_used(t)),
     "has results of protocol_.*; choose another folder"),
    ("benchmark.Protocol", "a misspelt order", lambda t: _protocol(order="sort"),
     "order='sort'; expected one of 'sorted', 'random'"),
    ("benchmark.Protocol", "types as a single string", lambda t: _protocol(types="conspecific"),
     r"types is one str; expected a list: \['conspecific'\]", TypeError),
    ("benchmark.Protocol", "no split", lambda t: _protocol(n_splits=0),
     "n_splits=0; expected a who"),
    ("benchmark.Protocol", "half held out",
     lambda t: _protocol(held_out=0.6).splits(t.fine), "4 conspecific sounds are too few"),
    ("benchmark.Protocol", "all for validation", lambda t: _protocol(validation=1.0),
     "validation must be between 0 and 1; got 1.0"),
    ("benchmark.Protocol", "types together as a word", lambda t: _protocol(together="yes"),
     "together must be True or False; got .yes.", TypeError),
    ("benchmark.score_prediction", "a misspelt protocol",
     lambda t: _score(t, _rates(t), protocol="cv"), UNKNOWN_PROTOCOL),
    ("benchmark.score_prediction", "an array of NumPy", lambda t: _score(t, _rates(t).values),
     "prediction is ndarray; expected a DataArray", TypeError),
    ("benchmark.score_prediction", "a Dataset", lambda t: _score(t, t.fine),
     "prediction is Dataset; expected a DataArray", TypeError),
    ("benchmark.score_prediction", "one split of ten", lambda t: _score(t, t.fine.psth),
     r"the prediction has 1 split\(s\), protocol 'cv10' 10: .*along 'split'"),
    ("benchmark.score_prediction", "stimuli that are missing",
     lambda t: _score(t, _rates(t).isel(stimulus=[0])),
     "split . has no prediction of its test stim"),
    ("benchmark.score_prediction", "no names of stimuli",
     lambda t: _score(t, xr.DataArray(_rates(t).values, dims=_rates(t).dims)),
     "no coordinate 'stimulus', which says"),
    ("benchmark.score_prediction", "another bin width",
     lambda t: _score(t, t.ds.psth.expand_dims(split=10)), "bins of 20 ms, the Dataset of 5 ms"),
    ("benchmark.score_prediction", "responses of another bin width",
     lambda t: _score(t, _rates(t), t.ds), "needs dt_ms=5.0"),
    ("benchmark.compare", "a misspelt score",
     lambda t: benchmark.compare(t.result, t.result, score="ccnorm"),
     "score='ccnorm'; expected one of 'cc_norm'"),
    ("benchmark.compare", "scores and no result",
     lambda t: benchmark.compare(t.result, t.scores),
     "b must have the dimension 'seed', as aa1xr.benchmark.run gives it"),
    ("benchmark.compare", "another protocol",
     lambda t: benchmark.compare(t.result, t.result.assign_attrs(protocol="cv11")),
     "a and b must have the same protocol; got 'cv10' and 'cv11'"),
    ("benchmark.compare", "a path", lambda t: benchmark.compare("a.zarr", t.result),
     "a is str; expected a result of aa1xr.benchmark.run", TypeError),
    ("benchmark.table", "one result", lambda t: benchmark.table(t.result),
     r"results is one Dataset; expected a list: \[...\]", TypeError),
    ("benchmark.table", "a result without the name of its model",
     lambda t: benchmark.table([t.result]),
     "no attribute 'model', its name in the table: result.assign_attrs"),
    ("benchmark.table", "scores and no result", lambda t: benchmark.table([t.scores]),
     "a result must have the dimension 'stimulus_type', as aa1xr.benchmark.run gives"),
    ("benchmark.table", "a path", lambda t: benchmark.table("results.zarr"), "results is one str",
     TypeError),
    ("benchmark.table", "None", lambda t: benchmark.table(None),
     "results is one NoneType", TypeError),
    ("benchmark.table", "scores without a column",
     lambda t: benchmark.table([benchmark.stored_scores().drop(columns="seed")]),
     "must have the columns of aa1xr.benchmark.stored_scores; 'seed' is missing"),
    ("benchmark.read_scores", "a folder that is not there",
     lambda t: benchmark.read_scores(t.new()), "must be a folder of results"),
    ("benchmark.read_scores", "an archive", lambda t: benchmark.read_scores(t.archive),
     "must be a folder of results"),
    ("benchmark.write_splits", "a misspelt protocol",
     lambda t: benchmark.write_splits(t.fine, "cv", t.new()), UNKNOWN_PROTOCOL),
    ("benchmark.read_splits", "an archive", lambda t: benchmark.read_splits(t.archive, "cv10"),
     "must be a file of splits in JSON"),
    ("benchmark.read_splits", "a file that is not there",
     lambda t: benchmark.read_splits(t.new(), "cv10"), "must be a file of splits in JSON"),
    ("benchmark.mean_of_trials", "no trials", lambda t: benchmark.mean_of_trials(
        t.fine, t.protocol, [0]), "n must be above 0 trials; got 0"),
    ("benchmark.mean_of_trials", "one number", lambda t: benchmark.mean_of_trials(
        t.fine, t.protocol, 5), "n is one int; expected a list", TypeError),
    ("benchmark.measured_mean_of_trials", "all trials",
     lambda t: benchmark.measured_mean_of_trials(t.fine, t.protocol, 10),
     "two trials of each must be left"),
    ("benchmark.gradient_strf", "lags longer than the sounds",
     lambda t: benchmark.gradient_strf(t.ds, None, lags_ms=1e5), "lags_ms=.*the shortest stimulus"),
    ("benchmark.gradient_strf", "no times",
     lambda t: benchmark.gradient_strf(t.ds, None, n_times=0), "n_times=0; expected a whole"),
    ("benchmark.true_rate", "a fit for the truth", lambda t: _truth(t, truth=t.fit),
     "truth has no variable 'spontaneous'; .*aa1xr.simulate_archive gives"),
    ("benchmark.true_rate", "a misspelt protocol", lambda t: _truth(t, protocol="cv"),
     UNKNOWN_PROTOCOL),
    ("benchmark.true_rate", "sounds of another bin width", lambda t: _truth(t, ds=t.ds),
     "the fit has bins of 5 ms, the spectrogram of 20 ms"),
    ("benchmark.true_rate", "a protocol of wider bins",
     lambda t: _truth(t, protocol=_protocol(dt_ms=20.0)), "bins of 20 ms do not divide those of 5"),
    ("benchmark.true_rate", "a truth that lost its attributes",
     lambda t: _truth(t, truth=t.truth.drop_attrs(deep=False)), "must have the attribute 'dt_ms'"),
    ("benchmark.true_rate", "the path of the truth", lambda t: _truth(t, truth=str(t.archive)),
     "truth is str; expected what aa1xr.simulate_archive gives", TypeError),
)  # fmt: skip


def rows() -> Iterator[Case]:
    yield from (refused(*row) for row in ROWS)
    yield works(
        "benchmark.run", "an area named twice",
        lambda t: _run(t, ds=_coarse(t), protocol=ONE, areas=["MLd", "MLd"]),
        lambda t, got: got.sizes["neuron"] == 2,
    )  # fmt: skip
    yield works(
        "benchmark.score_prediction", "in another order, without some neurons",
        lambda t: _score(t, _rates(t).transpose().isel(neuron=[2, 0])),
        lambda t, got: bool(
            (got.cc_raw.isel(neuron=[0, 2]) > 0.3).all()
            and np.isnan(got.cc_raw.isel(neuron=[1, 3])).all()
        ),
    )  # fmt: skip
    yield works(
        "benchmark.true_rate", "as it is meant", lambda t: _score(t, _truth(t)),
        lambda t, got: bool(got.cc_norm.max() > 0.9),
    )  # fmt: skip
    yield works(
        "benchmark", "a table as it is meant",
        lambda t: benchmark.table([t.result.assign_attrs(model="mine")]),
        lambda t, got: "| cv10 | mine | MLd | conspecific | " in got,
    )  # fmt: skip
    yield works(
        "benchmark.stored_scores", "as it is meant",
        lambda t: benchmark.stored_scores(),
        lambda t, got: bool((got.groupby("protocol").split.nunique() <= 10).all()),
    )  # fmt: skip
    yield works(
        "Split", "a part of it selects",
        lambda t: t.ds.sel(stimulus=aa1xr.split(t.ds, test=2).test),
        lambda t, got: got.stimulus.values.tolist() == t.test.tolist(),
    )  # fmt: skip
