"""One case of misuse, and the data that they are made with."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import xarray as xr

import aa1xr
from aa1xr import simulation
from aa1xr.benchmark import PROTOCOLS

Errors = type[Exception] | tuple[type[Exception], ...]


class Inputs:
    """Data of every kind that the package gives; made once, never changed."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._number = count()
        self._kept: dict[str, Any] = {}
        self.archive = work / "cells.zip"
        sizes = {"n_neurons": 4, "n_songs": 4, "n_ripples": 3, "n_trials": 4}
        self.truth = aa1xr.simulate_archive(self.archive, **sizes)
        self.data_dir = work / "data"
        # A sample that takes no time to make.
        self.data_dir.mkdir()
        shutil.copy(self.archive, self.data_dir / f"sample-v{simulation._SAMPLE_VERSION}.zip")
        self.ds = self.open(dt_ms=20, before_ms=100)
        self.store = Path(self.ds.encoding["source"])
        self.train, self.validation, self.test = aa1xr.split(self.ds, test=2, validation=2)

    def open(self, **options: Any) -> xr.Dataset:
        return aa1xr.open(self.archive, data_dir=self.data_dir, **options)

    def new(self, suffix: str = "") -> Path:
        """A path where nothing is."""
        return self.work / f"new-{next(self._number)}{suffix}"

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    @cached_property
    def plain(self) -> xr.Dataset:
        """As xarray itself reads what was saved: without the label index."""
        return xr.open_zarr(self.saved)

    @cached_property
    def saved(self) -> Path:
        aa1xr.save(self.ds, path := self.new(".zarr"))
        return path

    @cached_property
    def lists(self) -> dict[str, Any]:
        return {"train": self.train, "validation": self.validation}

    @cached_property
    def fit(self) -> xr.Dataset:
        return aa1xr.strf(self.ds, **self.lists, lags_ms=60).compute()

    @cached_property
    def rate(self) -> xr.DataArray:
        return aa1xr.predict(self.ds, self.fit).compute()

    @cached_property
    def scores(self) -> xr.Dataset:
        return aa1xr.score(self.ds, self.rate).compute()

    @cached_property
    def curve(self) -> aa1xr.Nonlinearity:
        linear = aa1xr.predict(self.ds, self.fit, rectify=False)
        return aa1xr.fit_nonlinearity(linear, self.ds.psth, n_levels=4)

    @cached_property
    def events(self) -> xr.Dataset:
        return aa1xr.events(self.ds)

    @cached_property
    def protocol(self) -> aa1xr.benchmark.Protocol:
        return PROTOCOLS["cv10"]

    @cached_property
    def fine(self) -> xr.Dataset:
        """As the protocol wants it."""
        return self.open(**self.protocol.options)

    @cached_property
    def result(self) -> xr.Dataset:
        rate = self.fine.psth.expand_dims(split=self.protocol.n_splits)
        return aa1xr.benchmark.score_prediction(self.fine, rate, self.protocol)


@dataclass(frozen=True)
class Case:
    """One mistake: refused with an error that says so, or none, and then the result is right."""

    name: str  #: of the function
    mistake: str
    call: Callable[[Inputs], Any]
    says: str = ""  #: what the message must match: where it is, and the way on
    error: Errors = ()
    right: Callable[[Inputs, Any], bool] | None = field(default=None)
    #: Python, argparse or xarray refuses it before the package sees it, and says enough.
    elsewhere: bool = False


def refused(
    name: str,
    mistake: str,
    call: Callable[[Inputs], Any],
    says: str,
    error: Errors = ValueError,
    *,
    elsewhere: bool = False,
) -> Case:
    return Case(name, mistake, call, says, error, elsewhere=elsewhere)


def works(
    name: str, mistake: str, call: Callable[[Inputs], Any], right: Callable[[Inputs, Any], bool]
) -> Case:
    return Case(name, mistake, call, right=right)
