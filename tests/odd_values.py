"""Values that nobody means as an argument, and a call of every public function to put them in."""

from __future__ import annotations

import datetime as dt
import inspect
import itertools
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from aa1xr import benchmark, plot, simulation


class Hostile:
    """Text of it cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


#: Made anew for each call, since a generator is used up.
ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "-1": lambda: -1,
    "0": lambda: 0,
    "1e300": lambda: 1e300,
    "1e-300": lambda: 1e-300,
    "10**30": lambda: 10**30,
    "10**5000": lambda: 10**5000,
    "2**63": lambda: 2**63,
    "'5'": lambda: "5",
    "a long string": lambda: "x" * 100_000,
    "b'1'": lambda: b"1",
    "''": lambda: "",
    "[]": list,
    "{}": dict,
    "set()": set,
    "object()": object,
    "np.int64(3)": lambda: np.int64(3),
    "np.float32(5)": lambda: np.float32(5),
    "np.array([1, 2])": lambda: np.array([1, 2]),
    "np.array(5)": lambda: np.array(5),
    "Decimal('5')": lambda: Decimal(5),
    "Decimal('sNaN')": lambda: Decimal("sNaN"),
    "Fraction(5, 1)": lambda: Fraction(5),
    "Fraction of 10**400": lambda: Fraction(10**400, 3),
    "5j": lambda: 5j,
    "datetime": lambda: dt.datetime(2000, 1, 1),  # noqa: DTZ001
    "np.timedelta64": lambda: np.timedelta64(5, "ms"),
    "np.datetime64('NaT')": lambda: np.datetime64("NaT"),
    "a generator": lambda: (n for n in (1, 2)),
    "an endless iterator": itertools.count,
    "range(10**9)": lambda: range(10**9),
    "range(10**30)": lambda: range(10**30),
    "a lambda": lambda: lambda: 5,
    "a class": lambda: int,
    "a list in itself": lambda: (x := [], x.append(x))[0],
    "no repr": Hostile,
}


class Calls:
    """Data that are quick to work on, and for each function the arguments of a call that works."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.data_dir = work / "data"
        self.data_dir.mkdir(exist_ok=True)
        self.archive = work / "cells.zip"
        if not self.archive.exists():
            aa1xr.simulate_archive(self.archive, n_neurons=2, n_songs=2, n_ripples=2, n_trials=3)
        # A sample that takes no time to make.
        shutil.copy(self.archive, self.data_dir / f"sample-v{simulation._SAMPLE_VERSION}.zip")
        self._number = itertools.count()

    def open(self, **options: Any) -> xr.Dataset:
        return aa1xr.open(self.archive, data_dir=self.data_dir, **options)

    def new(self, suffix: str = "") -> Path:
        return self.work / f"new-{next(self._number)}{suffix}"

    @cached_property
    def ds(self) -> xr.Dataset:
        return self.open(dt_ms=40).compute()

    @cached_property
    def split(self) -> aa1xr.Split:
        return aa1xr.split(self.ds, test=1, validation=1, stratify=None)

    @cached_property
    def fit(self) -> xr.Dataset:
        train, validation, _ = self.split
        return aa1xr.strf(self.ds, train=train, validation=validation, lags_ms=80)

    @cached_property
    def rate(self) -> xr.DataArray:
        return aa1xr.predict(self.ds, self.fit)

    @cached_property
    def protocol(self) -> benchmark.Protocol:
        return benchmark.Protocol("odd", 40.0, ("conspecific", "flatrip"), "sorted", 1, 0.3)

    @cached_property
    def of_protocol(self) -> xr.Dataset:
        return self.open(**self.protocol.options).compute()

    @cached_property
    def result(self) -> xr.Dataset:
        return self.of_protocol

    @cached_property
    def table(self) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]:
        """name: the function, what it is given by position, and by keyword."""
        ds, rate = self.ds, self.rate
        lists = {"train": self.split.train, "validation": self.split.validation}
        return {
            "open": (aa1xr.open, (), {"source": self.archive, "data_dir": self.data_dir}),
            "build": (aa1xr.build, (), {"source": self.archive, "data_dir": self.data_dir}),
            "verify": (aa1xr.verify, (), {"source": self.archive, "data_dir": self.data_dir}),
            "open_sample": (aa1xr.open_sample, (), {"data_dir": self.data_dir}),
            "simulate_archive": (
                aa1xr.simulate_archive,
                (),
                {"n_neurons": 1, "n_songs": 0, "n_ripples": 1, "n_trials": 1},
            ),
            "events": (aa1xr.events, (), {"source": ds}),
            "sounds": (aa1xr.sounds, (), {"source": ds}),
            "load": (aa1xr.load, (), {"path": self.saved}),
            "save": (aa1xr.save, (), {"ds": ds}),
            "copy_store": (aa1xr.copy_store, (), {"source": ds.encoding["source"]}),
            "psth": (aa1xr.psth, (), {"ds": ds}),
            "presented": (aa1xr.presented, (), {"ds": ds}),
            "drop_missing": (aa1xr.drop_missing, (), {"ds": ds}),
            "simultaneous": (aa1xr.simultaneous, (), {"ds": ds}),
            "sel": (aa1xr.sel, (ds,), {}),
            "split": (aa1xr.split, (), {"ds": ds, "test": 1, "stratify": None}),
            "take_trials": (aa1xr.take_trials, (), {"ds": ds, "trials": [0]}),
            "trial_halves": (aa1xr.trial_halves, (), {"ds": ds}),
            "spike_counts": (aa1xr.spike_counts, (), {"ds": ds}),
            "resample": (aa1xr.resample, (), {"ds": ds, "dt_ms": 80}),
            "smooth": (aa1xr.smooth, (), {"da": ds.psth, "window_ms": 100}),
            "normalize": (aa1xr.normalize, (), {"da": ds.psth}),
            "standardize": (aa1xr.standardize, (), {"da": ds.psth, "over": "time"}),
            "quality": (aa1xr.quality, (), {"ds": ds}),
            "with_quality": (aa1xr.with_quality, (), {"ds": ds}),
            "responsiveness": (aa1xr.responsiveness, (), {"ds": ds}),
            "dprime": (aa1xr.dprime, (), {"ds": ds, "other": ds}),
            "strf": (aa1xr.strf, (), {"ds": ds, **lists, "lags_ms": 80}),
            "tuning": (aa1xr.tuning, (), {"strfs": self.fit}),
            "modulation_spectrum": (aa1xr.modulation_spectrum, (), {"data": ds}),
            "predict": (aa1xr.predict, (), {"fit": self.fit, "ds": ds}),
            "fit_nonlinearity": (
                aa1xr.fit_nonlinearity,
                (),
                {"prediction": rate, "response": ds.psth, "n_levels": 3},
            ),
            "score": (aa1xr.score, (), {"prediction": rate, "ds": ds}),
            "mean_score": (aa1xr.mean_score, (), {"scores": aa1xr.score(ds, rate)}),
            "coherence": (aa1xr.coherence, (), {"prediction": rate, "ds": ds, "window_ms": 320}),
            "bootstrap": (
                aa1xr.bootstrap, (_mean, ds), {"over": "stimulus", "n": 3},
            ),
            "jackknife": (aa1xr.jackknife, (_mean, ds), {"over": "stimulus"}),
            "neurons": (aa1xr.neurons, (), {"ds": ds}),
            "stimuli": (aa1xr.stimuli, (), {"ds": ds}),
            "trials": (aa1xr.trials, (), {"ds": ds}),
            "to_pandas": (aa1xr.to_pandas, (), {"ds": ds}),
            "to_mat": (aa1xr.to_mat, (), {"ds": ds}),
            "to_pynapple": (aa1xr.to_pynapple, (), {"ds": ds}),
            "to_nwb": (aa1xr.to_nwb, (), {"ds": ds}),
            "to_wav": (aa1xr.to_wav, (), {"ds": ds}),
            "listen": (aa1xr.listen, (), {"ds": ds, **self.one}),
            "to_torch": (aa1xr.to_torch, (), {"ds": ds}),
            "to_deepstrf": (aa1xr.to_deepstrf, (), {"ds": ds}),
            "Protocol": (
                benchmark.Protocol,
                (),
                {
                    "name": "odd", "dt_ms": 40.0, "types": ("flatrip",), "order": "sorted",
                    "n_splits": 1,
                },
            ),
            "run": (
                benchmark.run, (), {"ds": self.of_protocol, "protocol": self.protocol},
            ),
            "score_prediction": (
                benchmark.score_prediction, (),
                {"prediction": rate, "ds": self.of_protocol, "protocol": self.protocol},
            ),
            "table": (benchmark.table, (), {"results": []}),
            "true_rate": (
                benchmark.true_rate, (),
                {"truth": ds, "ds": self.of_protocol, "protocol": self.protocol},
            ),
            "plot.coverage": (plot.coverage, (), {"data": ds}),
            "plot.modulation_spectrum": (
                plot.modulation_spectrum, (), {"data": ds, "stimulus": str(ds.stimulus[0].item())},
            ),
            "plot.compare": (
                plot.compare, (), {"data": self.fit.alpha, "other": self.fit.cc_validation},
            ),
            "plot.population": (
                plot.population, (), {"data": ds, "stimulus": str(ds.stimulus[0].item())},
            ),
            "plot.psth": (plot.psth, (), {"data": ds, "stimulus": str(ds.stimulus[0].item())}),
            "plot.quality": (plot.quality, (), {"data": ds}),
            "plot.raster": (plot.raster, (), {"data": ds, **self.one}),
            "plot.response": (plot.response, (), {"ds": ds, **self.one}),
            "plot.spectrogram": (
                plot.spectrogram, (), {"data": ds, "stimulus": str(ds.stimulus[0].item())},
            ),
            "plot.strf": (plot.strf, (), {"data": self.fit, "neuron": str(ds.neuron[0].item())}),
            "plot.strfs": (plot.strfs, (), {"data": self.fit}),
        }  # fmt: skip

    @property
    def one(self) -> dict[str, str]:
        return {
            "neuron": str(self.ds.neuron[0].item()),
            "stimulus": str(self.ds.stimulus[0].item()),
        }

    @cached_property
    def saved(self) -> Path:
        aa1xr.save(self.ds, path := self.new(".zarr"))
        return path

    def rows(self) -> Iterator[tuple[str, str]]:
        """Each function with each of its arguments."""
        for name, (function, _, _) in self.table.items():
            for argument, parameter in inspect.signature(function).parameters.items():
                if parameter.kind is not parameter.VAR_POSITIONAL:
                    yield name, argument

    def call(self, name: str, argument: str, value: Any) -> Any:
        function, args, kwargs = self.table[name]
        into_folder = name in {"to_nwb", "to_wav"}
        file = "" if into_folder else ".mat" if name == "to_mat" else ".zip"
        for needed, suffix in {("path", file), ("target", ".zarr")}:
            if (
                name != "run"  # it need not write
                and needed in inspect.signature(function).parameters
                and needed not in kwargs
            ):
                kwargs = kwargs | {needed: self.new(suffix)}
        if argument == "labels":
            return function(**kwargs, neuron=value)
        if argument == "function":
            return function(value, *args[1:], **kwargs)
        return function(*args, **(kwargs | {argument: value}))


def _mean(ds: xr.Dataset) -> xr.DataArray:
    return ds.psth.mean("stimulus")
