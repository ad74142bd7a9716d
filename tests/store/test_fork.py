"""Processes that are forked from one that has read object storage."""

import multiprocessing
import os

import numpy as np
import pytest

import aa1xr

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

SHARED = {}


def respond(neuron):
    """What a process of a pool computes from the Datasets that it inherits."""
    return (
        float(np.nansum(SHARED["ds"].psth.isel(neuron=neuron).values)),
        float(SHARED["lazy"].spectrogram.isel(stimulus=neuron).sum()),
        int(SHARED["saved"].n_trials.isel(neuron=neuron).sum()),
    )


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork__a_pool_on_object_storage(store, bucket):
    options, url = bucket.options, f"s3://{bucket.bucket}/fork"
    aa1xr.copy_store(store, f"{url}.zarr", target_options=options)
    ds = aa1xr.open(f"{url}.zarr", dt_ms=20, storage_options=options)
    aa1xr.save(ds[["n_trials"]], f"{url}-saved.zarr", storage_options=options)
    lazy = aa1xr.open(f"{url}.zarr", dt_ms=20, chunks=None, storage_options=options)
    saved = aa1xr.load(f"{url}-saved.zarr", chunks=None, storage_options=options)
    ds.psth.isel(neuron=0).compute()
    saved.n_trials.isel(neuron=0).compute()
    SHARED.update(ds=ds, lazy=lazy, saved=saved)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(respond, range(3)).get(timeout=120)
    assert found == [respond(neuron) for neuron in range(3)]
