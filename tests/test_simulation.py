"""The simulation: what it writes is what its truth says."""

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr import simulation
from aa1xr.store.read import Store


def simulate(path, **options):
    sizes = {"n_neurons": 4, "n_songs": 2, "n_ripples": 1, "n_trials": 4}
    return aa1xr.simulate_archive(path, **(sizes | options))


def test_simulate_archive__is_the_same_to_the_byte(tmp_path):
    a = simulate(tmp_path / "a.zip")
    for cached in (simulation._song, simulation._ripple):
        cached.cache_clear()
    b = simulate(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    xr.testing.assert_identical(a, b)
    simulate(tmp_path / "c.zip", seed=1)
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "c.zip").read_bytes()


def test_simulate_archive__a_neuron_does_not_depend_on_how_many_there_are(tmp_path):
    few, many = simulate(tmp_path / "few.zip"), simulate(tmp_path / "many.zip", n_neurons=7)
    a = aa1xr.open(tmp_path / "few.zip", data_dir=tmp_path)
    b = aa1xr.open(tmp_path / "many.zip", data_dir=tmp_path)
    same = a.neuron.values.tolist()
    np.testing.assert_array_equal(a.spikes, b.spikes.sel(neuron=same))
    np.testing.assert_array_equal(few.strf, many.strf.sel(neuron=same))


def test_simulate_archive__folder_and_zip_hold_the_same(tmp_path):
    simulate(tmp_path / "a.zip")
    simulate(tmp_path / "a")
    a, b = (aa1xr.open(tmp_path / name, data_dir=tmp_path) for name in ("a.zip", "a"))
    xr.testing.assert_equal(a.compute(), b.compute())


def test_simulate_archive__has_what_makes_the_real_one_hard(sample_archive):
    ds = aa1xr.open_sample(before_ms=2000, after_ms=1500).compute()
    assert set(np.unique(ds.n_trials)) == {0, 10, 15}
    assert (ds.n_trials == 0).sum() == 10
    assert float(ds.spikes.sel(time=slice(None, -0.001)).sum()) > 0
    totals = ds.spikes.sum("time").where(ds.spikes.notnull().any("time"))
    assert (totals == 0).any()  # trials without a spike
    pairs = ds.n_trials.groupby(["animal_id", "cell_seq"]).count()
    assert int(pairs.max()) == 2


def test_simulate_archive__cells_fire_at_the_rate_of_the_model(tmp_path):
    truth = simulate(tmp_path / "a.zip", n_trials=200, n_neurons=6)
    ds = aa1xr.open(tmp_path / "a.zip", data_dir=tmp_path, before_ms=1000).compute()
    assert truth.neuron.values.tolist() == ds.neuron.values.tolist()
    spectrogram = ds.spectrogram.values
    for n in range(6):
        cell = truth.isel(neuron=n)
        for s in range(3):
            if ds.n_trials.values[n, s] == 0:
                continue
            drive = np.zeros(ds.sizes["time"])
            for lag in range(cell.sizes["lag"]):
                shifted = np.roll(spectrogram[s], lag, axis=1)
                drive += cell.strf.values[:, lag] @ shifted
            rate = cell.spontaneous.item() + cell.gain.item() * np.log1p(
                np.exp(2 * (drive - cell.threshold.item()))
            )
            got = ds.psth.values[n, s]
            inside = ~np.isnan(got)
            expected = rate[inside]
            # Counts are Poisson: their deviations in units of sqrt(rate / (trials * dt)).
            sigma = np.sqrt(expected / (ds.n_trials.values[n, s] * 0.005))
            z = (got[inside] - expected) / sigma
            assert abs(z.mean()) < 4 / np.sqrt(z.size)
            assert abs(z.std() - 1) < 0.15


def test_simulate_archive__midbrain_answers_earlier(tmp_path):
    truth = simulate(tmp_path / "a.zip", n_neurons=20)
    peak = truth.lag[truth.strf.max("freq").argmax("lag")]
    latency = peak.groupby("area").mean()
    assert float(latency.sel(area="MLd")) < float(latency.sel(area="Field_L"))


@pytest.mark.parametrize(
    "options", [{"n_neurons": 0}, {"n_trials": 1.5}, {"n_songs": -1}, {"n_ripples": "2"}]
)
def test_simulate_archive__refuses(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        simulate(tmp_path / "a.zip", **options)
    assert not list(tmp_path.iterdir())


def test_simulate_archive__never_overwrites(tmp_path):
    simulate(tmp_path / "a.zip")
    with pytest.raises(FileExistsError, match="remove it first"):
        simulate(tmp_path / "a.zip")


def test_open_sample__never_passes_for_aa1(sample_store, tmp_path):
    ds = aa1xr.open_sample(data_dir=tmp_path)
    assert "Simulated" in ds.attrs["title"]
    assert ds.attrs["doi"] == ""
    assert Store(str(sample_store)).attrs["simulation"]["n_neurons"] == 12
    with pytest.raises(aa1xr.DataNotFoundError, match="Three ways on"):
        aa1xr.open(data_dir=tmp_path)


@pytest.mark.parametrize(("name", "value"), [("seed", "a"), ("seed", -1), ("n_trials", True)])
def test_simulate_archive__refuses_what_is_no_number(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name}=.*; expected a whole number"):
        aa1xr.simulate_archive(tmp_path / "a.zip", **{name: value})
    assert list(tmp_path.iterdir()) == []
