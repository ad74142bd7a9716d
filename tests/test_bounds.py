"""Arguments that are legal but for their size are refused at once, and say why."""

import os

import numpy as np
import pytest

import aa1xr
from aa1xr import arguments
from aa1xr.archive.credentials import find_credentials
from aa1xr.archive.files import identity
from aa1xr.errors import ArchiveError, DownloadError


@pytest.fixture(scope="module")
def ds():
    return aa1xr.open_sample(dt_ms=40).isel(neuron=[0, 1])


@pytest.fixture(scope="module")
def fine():
    return aa1xr.open_sample(dt_ms=0.5).isel(neuron=[0])


PROTOCOL = aa1xr.benchmark.Protocol("p", 40.0, ("conspecific", "flatrip"), "sorted", 1)
LISTS = {"train": ["conspecific-00"], "validation": ["conspecific-01"]}
CALLS = {
    "n_mels": (lambda ds: aa1xr.open(ds.encoding["source"], n_mels=2 * 10**8), "and the other ban"),
    "chunks": (lambda ds: aa1xr.open(ds.encoding["source"], chunks=1, dt_ms=1), "blocks.*neuron"),
    "window_ms": (lambda ds: aa1xr.smooth(ds.psth, window_ms=1e9), "at most 6000.*recorded"),
    "dt_ms": (lambda ds: aa1xr.resample(ds, dt_ms=5e9), "at most 4000.*recorded"),
    "seeds": (lambda ds: aa1xr.benchmark.run(ds, PROTOCOL, seeds=range(10**9)), "list of at most"),
    "n_splits": (lambda ds: aa1xr.benchmark.Protocol("p", 5.0, ("a",), "sorted", 10**9), "fitted"),
    "n": (lambda ds: aa1xr.bootstrap(aa1xr.quality, ds, over="stimulus", n=10**9), "is called for"),
    "n ": (lambda ds: aa1xr.trial_halves(ds, n=10**9), "in memory"),
    "max_splits": (lambda ds: aa1xr.quality(ds, max_splits=10**12), "in memory"),
    "n_levels": (lambda ds: aa1xr.fit_nonlinearity(ds.psth, ds.psth, n_levels=10**9), "more bins"),
    "alphas": (lambda ds: aa1xr.strf(ds, **LISTS, alphas=range(1, 10**9)), "list of at most 1000"),
    "train": (
        lambda ds: aa1xr.strf(ds, train=iter(str, "x"), validation=["a"]), "list of at most"
    ),
    "trials": (lambda ds: aa1xr.take_trials(ds, range(10**9)), "list of at most"),
    "n_neurons": (lambda ds: aa1xr.simulate_archive("x.zip", n_neurons=10**9), "at most 100000"),
    r"n_neurons \*": (
        lambda ds: aa1xr.simulate_archive("x.zip", n_neurons=10**5, n_trials=1000), "many GB"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_arguments__have_an_upper_bound_that_says_why(name, ds):
    call, why = CALLS[name]
    with pytest.raises(ValueError, match=rf"^{name.strip()}.*{why}"):
        call(ds)


def test_strf__does_not_ask_for_a_covariance_beyond_memory(fine):
    with pytest.raises(ValueError, match=r"lags_ms=500 must be shorter: .* would take 8 GB"):
        aa1xr.strf(fine, **LISTS, lags_ms=500)


@pytest.mark.parametrize("n", [2 * 101, 2 * 161 + 1])
def test_n_mels__bound_refuses_only_what_has_empty_bands(n, ds):
    with pytest.raises(ValueError, match="empty"):
        aa1xr.open(ds.encoding["source"], n_mels=n)


def test_archive__too_large_is_refused_before_it_is_read(tmp_path):
    with (path := tmp_path / "big.zip").open("wb") as file:
        file.truncate(20 * 10**9)  # sparse: it takes no room
    with pytest.raises(ArchiveError, match=r"big.zip: has 20 GB; .* at most 4 GB"):
        identity(path)
    with pytest.raises(ArchiveError, match="20 GB"):
        aa1xr.open(path, data_dir=tmp_path)


def test_numbers__of_numpy_and_fractions_are_their_values(ds):
    for value in (np.int64(80), np.float32(80), 80.0):
        assert aa1xr.resample(ds, dt_ms=value).time.attrs["dt_ms"] == 80
    for value in (np.timedelta64(5, "ms"), 10**400):
        with pytest.raises(ValueError, match="ms must be a finite number of ms"):
            arguments.number("ms", value)
    with pytest.raises(ValueError, match=r"n=.*; expected a whole number"):
        arguments.check_integer("n", np.timedelta64(5, "ms"))


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604, 0o620])
def test_netrc__that_is_named_is_judged_as_the_one_at_home(mode, tmp_path, monkeypatch, caplog):
    (path := tmp_path / "named").write_text("machine crcns.org login me password hunter2")
    path.chmod(mode)
    for variable in ("CRCNS_USERNAME", "CRCNS_PASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NETRC", str(path))
    if mode == 0o600:
        assert find_credentials(None, None, host="crcns.org").password == "hunter2"
        return
    with pytest.raises(DownloadError):
        find_credentials(None, None, host="crcns.org")
    assert "chmod 600" in caplog.text
    assert "hunter2" not in caplog.text
