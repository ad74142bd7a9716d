"""Settings of the whole process, taken while threads are inside, and given back."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import dask
import numpy as np
from threadpoolctl import threadpool_info

import aa1xr
from aa1xr.analysis import ridge
from aa1xr.cluster import one_blas_thread, own_threads


def blas_threads():
    """Of NumPy's library; SciPy's, where it has one of its own, may be loaded in between."""
    numpy_s = [lib for lib in threadpool_info() if "numpy" in lib["filepath"]]
    return {lib["num_threads"] for lib in numpy_s}


def test_one_blas_thread__of_threads_that_overlap():
    """The last one out gives back what the first one found, whatever their order."""
    both = Barrier(2, timeout=60)

    def work(first):
        with one_blas_thread(), own_threads():
            both.wait()
            found = blas_threads(), dask.config.get("scheduler", None)
            if first:
                return found
            both.wait()
            return found

    before = blas_threads()
    with ThreadPoolExecutor(2) as pool:
        results = pool.submit(work, True), pool.submit(work, False)
        assert results[0].result() == ({1}, "threads")
        assert blas_threads() == {1}
        both.wait()
        assert results[1].result() == ({1}, "threads")
        assert blas_threads() == before
        assert dask.config.get("scheduler", None) is None


def test_strf__takes_one_thread_of_blas(monkeypatch):
    ds = aa1xr.open_sample(dt_ms=20).sel(type="conspecific", area="MLd")
    seen = []
    decompose = np.linalg.eigh
    monkeypatch.setattr(
        ridge.np.linalg, "eigh", lambda matrix: seen.append(blas_threads()) or decompose(matrix)
    )
    songs, before = ds.stimulus.values, blas_threads()
    fit = aa1xr.strf(ds, train=songs[:4], validation=songs[4:6], lags_ms=40).compute()
    aa1xr.predict(ds, fit).compute()
    assert blas_threads() == before
    assert seen
    assert all(found == {1} for found in seen)
