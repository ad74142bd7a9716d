from itertools import combinations

import numpy as np
import pytest
from hypothesis import given

import aa1xr
from tests.analysis.made import DT, as_prediction, dataset, ragged, trials

#: What is undefined is said by a warning.
pytestmark = pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")


def spectra(values, length):
    """Of each stretch of a row, with a Hann window, about its mean."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1))
    starts = range(0, len(values) - length + 1, max(1, length // 2))
    parts = [values[k : k + length] for k in starts]
    return np.array([np.fft.rfft((part - part.mean()) * window)[1:] for part in parts])


def by_loops(prediction, ds, neuron, length):
    """Cross spectra averaged over all splits into halves, then as Hsu, Borst & Theunissen."""
    p_p, y_y, p_y, across, within = 0, 0, 0, 0, 0
    for s in range(ds.sizes["stimulus"]):
        there = ~np.isnan(ds.spikes.values[neuron, s]).all(0)
        rows = trials(ds, neuron, s, there) if there.any() else []
        if len(rows) < 2 or len(rows[0]) < length:
            continue
        p = spectra(prediction.values[neuron, s][there], length)
        y = spectra(np.mean(rows, 0), length)
        p_p, y_y, p_y = (
            total + (a * b.conj()).sum(0) for total, a, b in ((p_p, p, p), (y_y, y, y), (p_y, p, y))
        )
        n = len(rows)
        splits = [c for c in combinations(range(n), n // 2) if n % 2 or 0 in c]
        for first in splits:
            second = [k for k in range(n) if k not in first]
            means = [np.mean([rows[k] for k in half], 0) for half in (first, second)]
            a, b = (spectra(mean, length) for mean in means)
            across = across + (a * b.conj()).sum(0).real / len(splits)
            within = within + (abs(a) ** 2 + abs(b) ** 2).sum(0) / 2 / len(splits)
    with np.errstate(all="ignore"):
        root = np.divide(
            across, within
        )  # the root of the coherence of the halves, where it is positive
        result = np.divide(abs(p_y) ** 2, np.real(p_p * y_y)), 2 * root / (1 + root)
    return [np.broadcast_to(values, length // 2) for values in result]


@given(ragged())
def test_coherence__of_ragged_data_by_loops(ds):
    # For equal halves; for others the formula has no such simple form.
    ds = ds.isel(trial=slice(0, 2))
    if ds.sizes["time"] < 4:
        return
    shape = [ds.sizes[d] for d in ("neuron", "stimulus", "time")]
    prediction = as_prediction(ds, np.random.default_rng(0).gamma(1, size=shape))
    got = aa1xr.coherence(prediction, ds, window_ms=20, during="all").compute()
    for n in range(ds.sizes["neuron"]):
        expected = by_loops(prediction, ds, n, 4)
        for name, value in zip(("coherence", "coherence_max"), expected, strict=True):
            found = got[name][n].values
            known = ~np.isnan(value) & ~np.isnan(found) & (abs(value) < 1e6)
            np.testing.assert_allclose(found[known], value[known], rtol=1e-6, atol=1e-9)


def test_coherence__of_the_sample_by_loops(sample_archive):
    ds = aa1xr.open_sample().isel(stimulus=[0, 11], trial=slice(6)).sel(neuron=["sim0000_1_B"])
    prediction = (ds.psth + np.sin(ds.time * 40)).compute()
    got = aa1xr.coherence(prediction, ds, window_ms=100).compute()
    for name, value in zip(
        ("coherence", "coherence_max"), by_loops(prediction, ds, 0, 20), strict=True
    ):
        np.testing.assert_allclose(got[name][0], value, rtol=1e-6)
    np.testing.assert_allclose(got.frequency, np.arange(1, 11) * 10)
    for name in ("", "_max"):
        bits = -np.log2(1 - got[f"coherence{name}"]).sum("frequency") * 10
        np.testing.assert_allclose(got[f"information{name}"], bits)


def test_coherence__estimates_a_known_one():
    rng = np.random.default_rng(4)
    true = (20 + 8 * rng.standard_normal((6, 400))).clip(0)
    mean = np.broadcast_to(true[:, np.newaxis] * DT, (30, 6, 10, 400))
    ds = dataset(rng.poisson(mean), [400] * 6)
    wrong = true + 8 * rng.standard_normal(true.shape)
    signal, noise = np.mean(np.var(true, axis=1, ddof=1)), true.mean() / DT / 10
    ceiling = signal / (signal + noise)
    prediction = as_prediction(ds, np.broadcast_to(wrong, (30, *wrong.shape)))
    got = aa1xr.coherence(prediction, ds, window_ms=100).compute()
    # White signal and noise: equal at all frequencies, of which there are few in one sample.
    assert abs(got.coherence_max.mean() - ceiling) < 0.02
    shared = np.mean([np.corrcoef(t, w)[0, 1] for t, w in zip(true, wrong, strict=True)]) ** 2
    assert abs(got.coherence.mean() - ceiling * shared) < 0.02
    assert (got.information < got.information_max).all()


def test_coherence__of_the_psth_itself_and_of_nothing(sample_archive):
    ds = aa1xr.open_sample()
    got = aa1xr.coherence(ds.psth, ds).compute()
    np.testing.assert_allclose(got.coherence, 1)
    assert (got.information > 1000).all()
    flat = aa1xr.coherence(0 * ds.psth, ds).compute()
    assert flat.coherence.isnull().all()
    assert flat.information.isnull().all()
    np.testing.assert_array_equal(flat.coherence_max, got.coherence_max)


@pytest.mark.parametrize("window_ms", [5, 1e6])
def test_coherence__refuses_a_window_that_does_not_fit(sample_archive, window_ms):
    ds = aa1xr.open_sample()
    with pytest.raises(ValueError, match="expected 2 to 434"):
        aa1xr.coherence(ds.psth, ds, window_ms=window_ms)


def test_coherence__refuses_gaps_in_time(sample_archive):
    ds = aa1xr.open_sample().isel(time=[*range(100), *range(150, 300)])
    with pytest.raises(ValueError, match="not one of adjacent bins"):
        aa1xr.coherence(ds.psth, ds)
