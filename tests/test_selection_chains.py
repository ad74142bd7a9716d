"""Random chains of selections: a lazy Dataset of ours gives what xarray gives of plain arrays."""

from pathlib import Path
from typing import ClassVar

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import aa1xr

WINDOWS = ({}, {"before_ms": 100}, {"before_ms": 90, "after_ms": 250})
DIMS = st.sampled_from(["neuron", "stimulus", "trial", "time", "freq"])
LABELS = st.sampled_from(
    [
        {"area": "MLd"},
        {"area": ["MLd", "Field_L"], "rig": "A"},
        {"type": "flatrip"},
        {"duration_s": slice(1.9, None), "area": "MLd"},
        {"trial": lambda values: values % 2 == 0},
        {"time": slice(0.1, 0.6)},
    ]
)


class Chains(RuleBasedStateMachine):
    """The same steps on a Dataset that aa1xr opened and on one built from NumPy arrays."""

    archive: ClassVar[Path]
    wholes: ClassVar[dict[str, xr.Dataset]] = {}

    @initialize(
        window=st.sampled_from(WINDOWS),
        chunks=st.sampled_from([None, {}, {"neuron": 2, "time": 7}]),
    )
    def open(self, window, chunks):
        self.lazy = aa1xr.open(self.archive, dt_ms=50, chunks=chunks, **window)
        if str(window) not in self.wholes:
            whole = self.lazy.compute()
            variables, coords = (
                {name: (v.dims, np.array(v.values), v.attrs) for name, v in part.items()}
                for part in (whole.data_vars, whole.coords)
            )
            self.wholes[str(window)] = xr.Dataset(variables, coords, whole.attrs)
        self.plain = self.wholes[str(window)]

    def both(self, step):
        """Take a step on both sides, which must end alike."""
        try:
            expected = step(self.plain)
        except Exception as error:  # noqa: BLE001 - whatever xarray raises, ours must raise
            refused = type(error)
        else:
            self.plain, self.lazy = expected, step(self.lazy)
            return
        try:
            step(self.lazy).compute()
        except refused:
            return
        raise AssertionError(f"xarray raises {refused}")

    @rule(dim=DIMS, data=st.data())
    def isel(self, dim, data):
        size = self.plain.sizes.get(dim, 0)
        places = st.integers(-size, size - 1) if size else st.nothing()
        ends = st.none() | st.integers(-size - 1, size + 1)
        steps = st.sampled_from([None, 1, 2, -1, -3])
        position = data.draw(
            places
            | st.lists(places, max_size=4)
            | st.builds(slice, ends, ends, steps)
            | st.lists(st.booleans(), min_size=size, max_size=size).map(np.array)
            if size
            else st.builds(slice, ends, ends, steps)
        )
        self.both(lambda ds: ds.isel({dim: position}))

    @rule(labels=LABELS)
    def sel(self, labels):
        self.both(lambda ds: aa1xr.sel(ds, **labels))

    @rule(dim=st.sampled_from(["neuron", "stimulus"]), data=st.data())
    def sel_of_xarray(self, dim, data):
        values = self.plain[dim].values.ravel().tolist() if dim in self.plain.coords else ["x"]
        label = data.draw(st.sampled_from(values or ["x"]))
        wanted = label if data.draw(st.booleans()) else [label]
        self.both(lambda ds: ds.sel({dim: wanted}))

    @rule(name=st.sampled_from(["area", "cell_seq", "duration_s", "neuron", "type"]))
    def sortby(self, name):
        self.both(lambda ds: ds.sortby(name))

    @rule(dims=st.permutations(["neuron", "stimulus", "time"]))
    def transpose(self, dims):
        self.both(lambda ds: ds.transpose(*dims, ..., missing_dims="ignore"))

    @rule(names=st.sets(st.sampled_from(["spikes", "psth", "spectrogram", "n_trials"]), min_size=1))
    def take_variables(self, names):
        self.both(lambda ds: ds[sorted(names)])

    @rule()
    def where(self):
        self.both(lambda ds: ds.where(ds.area == "MLd", drop=True))

    @rule(seed=st.integers(0, 3))
    def reindex(self, seed):
        names = self.plain.neuron.values.ravel()
        order = np.random.default_rng(seed).permutation(names)[:3]
        self.both(lambda ds: ds.reindex(neuron=[*order, "other"]))

    @rule()
    def concat(self):
        self.both(
            lambda ds: xr.concat(
                [ds.isel(neuron=slice(1, None)), ds.isel(neuron=slice(0, 1))],
                "neuron",
                data_vars="minimal",
            )
        )

    @precondition(lambda self: "stimulus" in self.plain.dims)
    @rule()
    def point_by_point(self):
        size = self.plain.sizes["stimulus"]
        points = xr.DataArray(np.arange(min(2, size)), dims="point")
        self.both(lambda ds: ds.isel(stimulus=points).rename(point="stimulus"))

    def teardown(self):
        if hasattr(self, "plain"):
            with dask.config.set(scheduler="synchronous"):
                xr.testing.assert_identical(self.lazy.compute(), self.plain)


@pytest.fixture(scope="module", autouse=True)
def _archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("chains") / "cells.zip"
    aa1xr.simulate_archive(path, n_neurons=5, n_songs=3, n_ripples=2, n_trials=3)
    Chains.archive = path


TestChains = Chains.TestCase
TestChains.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=6)
