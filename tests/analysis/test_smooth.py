import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad

import aa1xr
from aa1xr.analysis.smooth import _kernel


def response(values, *, dt_ms=5):
    """Any values on a time axis."""
    values = np.asarray(values, np.float32)
    dims = ("neuron", "stimulus", "time")[-values.ndim :]
    time = np.arange(values.shape[-1]) * dt_ms / 1000
    attrs = {"units": "s", "dt_ms": dt_ms}
    return xr.DataArray(values, dims=dims, coords={"time": ("time", time, attrs)}, name="x")


def density(window, width):
    if window == "hann":
        return lambda t: (1 + np.cos(2 * np.pi * t / width)) / width * (abs(t) < width / 2)
    sigma = width / 6
    return lambda t: np.exp(-((t / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))


def by_loops(values, kernel):
    """The normalised convolution of one response, from the definition."""
    n, reach = len(values), len(kernel) // 2
    out = np.full(n, np.nan)
    for t in range(n):
        if np.isnan(values[t]):
            continue
        total = mass = 0.0
        for k in range(-reach, reach + 1):
            if 0 <= t + k < n and not np.isnan(values[t + k]):
                total += kernel[reach + k] * float(values[t + k])
                mass += kernel[reach + k]
        out[t] = total / mass
    return out


@pytest.mark.parametrize("window", ["hann", "gaussian"])
@pytest.mark.parametrize(("width", "dt"), [(21, 1), (21, 5), (21, 20), (21, 25), (40, 7), (1, 5)])
def test_kernel__is_the_integral_it_is_said_to_be(window, width, dt):
    kernel = _kernel(width, dt, window)
    reach = len(kernel) // 2
    w = density(window, width)
    for k, got in enumerate(kernel, start=-reach):
        corners = [(k - 1) * dt, k * dt, (k + 1) * dt, -width / 2, width / 2]
        inner = sorted(c for c in corners if (k - 1) * dt < c < (k + 1) * dt)
        area, _ = quad(
            lambda t, k=k: w(t) * (1 - abs(t / dt - k)),
            (k - 1) * dt,
            (k + 1) * dt,
            points=inner,
            limit=200,
        )
        np.testing.assert_allclose(got, area, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(kernel.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-12)


@pytest.mark.parametrize("window", ["hann", "gaussian"])
def test_kernel__of_narrow_bins_is_the_window(window):
    kernel = _kernel(21, 0.03125, window)
    lags = (np.arange(kernel.size) - kernel.size // 2) * 0.03125
    np.testing.assert_allclose(kernel / 0.03125, density(window, 21)(lags), atol=2e-4)


ragged = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 40)),
    elements=st.one_of(st.floats(0, 100, width=32), st.just(np.nan)),
)


@given(ragged, st.sampled_from([1, 5, 20]), st.sampled_from(["hann", "gaussian"]))
def test_smooth__by_loops(values, dt_ms, window):
    got = aa1xr.smooth(response(values, dt_ms=dt_ms), window_ms=21, window=window)
    kernel = _kernel(21, dt_ms, window)
    for row in np.ndindex(values.shape[:-1]):
        np.testing.assert_allclose(
            got.values[row], by_loops(values[row], kernel), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("window", ["hann", "gaussian"])
@pytest.mark.parametrize("dt_ms", [1, 5, 6, 7, 10, 20, 25])
def test_smooth__is_never_without_effect(window, dt_ms):
    impulse = np.zeros(101)
    impulse[50] = 1
    got = aa1xr.smooth(response(impulse, dt_ms=dt_ms), window=window).values
    assert got[49] == pytest.approx(got[51])
    assert got[49] > 0.01
    assert got[50] < 0.95
    np.testing.assert_allclose(got.sum(), 1, rtol=1e-6)


def test_smooth__a_constant_stays_constant_to_the_ends(ds):
    constant = xr.full_like(ds.psth, 3).where(ds.psth.notnull())
    xr.testing.assert_allclose(aa1xr.smooth(constant, window_ms=50), constant, rtol=1e-6)


def test_smooth__missing_neither_leaks_nor_fills(ds):
    rate = ds.psth.compute()
    got = aa1xr.smooth(rate)
    np.testing.assert_array_equal(got.isnull(), rate.isnull())
    # What lies beyond a gap of missing bins wider than the kernel does not matter.
    other = rate.copy(deep=True)
    other[..., 200:] = 1e6
    other[..., 190:200] = rate[..., 190:200] = np.nan
    np.testing.assert_array_equal(aa1xr.smooth(rate)[..., :190], aa1xr.smooth(other)[..., :190])


def test_smooth__takes_integers_and_any_variable(ds):
    assert aa1xr.smooth(response([0, 1, 2]).astype("i2")).dtype == np.float32
    assert aa1xr.smooth(ds.spectrogram).dims == ds.spectrogram.dims
    assert aa1xr.smooth(ds.spikes[0, 0]).dims == ("trial", "time")
    with pytest.raises(ValueError, match="adjacent"):
        aa1xr.smooth(ds.psth.isel(time=[0, 2]))
    with pytest.raises(ValueError, match="dt_ms"):
        aa1xr.smooth(ds.n_trials)


@pytest.mark.parametrize("dt_ms", [0.5, 1, 5, 6, 20, 25])
def test_smooth__matches_the_peer(dt_ms):
    values = np.random.default_rng(0).poisson(1, 60).astype(np.float32)
    values[50:] = np.nan
    got = aa1xr.smooth(response(values, dt_ms=dt_ms), match="deepSTRF")
    # In the peer a response ends with its sound, and zeros are put around it.
    n = int(21 // dt_ms)
    kernel = np.hanning(n + (n % 2 == 0))
    expected = np.convolve(values[:50], kernel, "full")[len(kernel) // 2 :][:50]
    np.testing.assert_allclose(got[:50], expected, rtol=1e-5, atol=1e-5)
    assert got[50:].isnull().all()
    if dt_ms >= 6:
        np.testing.assert_array_equal(got[:50], values[:50])


def test_smooth__says_that_a_raw_kernel_gives_no_rate(sample_archive):
    ds = aa1xr.open_sample(dt_ms=5).isel(neuron=[0, 2], stimulus=[0, 1]).load()
    raw = ds.assign({v: aa1xr.smooth(ds[v], match="deepSTRF") for v in ("spikes", "psth")})
    fit = aa1xr.strf(raw, train=["conspecific-00"], validation=["conspecific-01"])
    for rate in (raw.psth, aa1xr.psth(raw), aa1xr.predict(raw, fit)):
        assert (rate.units, rate.kernel_sum) == ("1", 2)
        with pytest.raises(ValueError, match=r"it is 2 times .*\(prediction \* 0.5\)"):
            aa1xr.score(ds, rate)
        aa1xr.score(raw, rate).load()
        aa1xr.score(ds, (rate / 2).assign_attrs(units="count/s")).load()
    with pytest.raises(ValueError, match=r"must be 2 times.*units='1', kernel_sum=2"):
        aa1xr.score(raw, ds.psth)
    with pytest.raises(ValueError, match="must be counts; a kernel of sum 2"):
        aa1xr.spike_counts(raw)
    scaled, _ = aa1xr.normalize(raw.psth, method="zscore")
    with pytest.raises(ValueError, match="undo a scaling"):
        aa1xr.strf(raw, train=["conspecific-00"], validation=["conspecific-01"], response=scaled)
    assert aa1xr.smooth(raw.psth, match="deepSTRF").kernel_sum == 4
    assert (fit.strf.units, fit.intercept.units) == ("1", "1")
    with pytest.warns(aa1xr.UnitsWarning, match="Fano factor are 2 times, and powers 4 times"):
        measures = aa1xr.quality(raw)
    plain = aa1xr.quality(ds.assign(spikes=(raw.spikes / 2).assign_attrs(units="count")))
    for name, times in {"rate_driven": 2, "fano": 2, "signal_power": 4, "snr": 1}.items():
        np.testing.assert_allclose(measures[name], times * plain[name], rtol=1e-5)
    # A window of one bin is no smoothing.
    assert aa1xr.smooth(ds.psth, 6, match="deepSTRF").units == "count/s"


def test_smooth__matches_the_peer_itself():
    torch = pytest.importorskip("torch", reason="needs torch and deepSTRF")
    data = pytest.importorskip("deepSTRF.utils.data", reason="needs torch and deepSTRF")
    values = np.random.default_rng(0).poisson(1, (3, 60)).astype(np.float32)
    got = aa1xr.smooth(response(values), match="deepSTRF")
    expected = data.hanning_smooth(torch.tensor(values), window_ms=21, dt_ms=5)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5)
