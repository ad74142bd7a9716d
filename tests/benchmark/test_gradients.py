"""Where torch is installed."""

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch", reason="needs torch")

import aa1xr  # noqa: E402
from aa1xr.benchmark import gradient_strf  # noqa: E402
from aa1xr.benchmark.networks import CNN, GRU  # noqa: E402


class Linear(torch.nn.Module):
    """Weights (neuron, freq, lag) on the past of the sound."""

    def __init__(self, n_freq, n_neurons, n_lags=4):
        super().__init__()
        self.n_past = n_lags - 1
        self.filters = torch.nn.Conv1d(n_freq, n_neurons, n_lags)

    def forward(self, spectrogram):
        return self.filters(torch.nn.functional.pad(spectrogram, (self.n_past, 0)))


@pytest.fixture(scope="module")
def ds(sample_archive):
    return aa1xr.open_sample(dt_ms=20).isel(neuron=slice(3), stimulus=[0, 1, 12]).compute()


def make(kind, ds, **options):
    torch.manual_seed(0)
    return kind(ds.sizes["freq"], ds.sizes["neuron"], **options)


@pytest.mark.parametrize("n_times", [1, 5, 1000])
def test_gradient_strf__of_a_linear_network_is_its_weights(ds, n_times):
    network = make(Linear, ds)
    field = gradient_strf(ds, network, lags_ms=120, n_times=n_times, scale="unit")
    weights = network.filters.weight.detach().numpy()[..., ::-1]  # lag 0 is the last weight
    assert field.dims == ("neuron", "freq", "lag")
    np.testing.assert_allclose(field[..., :4], weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(field[..., 4:], 0)
    np.testing.assert_allclose(field.lag, np.arange(6) * 0.02)
    xr.testing.assert_equal(field.area, ds.area)
    assert network.training


def test_gradient_strf__of_a_rate_that_is_squared(ds):
    class Squared(Linear):
        def forward(self, spectrogram):
            return super().forward(spectrogram) ** 2

    network = make(Squared, ds)
    one = ds.isel(stimulus=[1])
    field = gradient_strf(one, network, lags_ms=80, n_times=1000, scale="unit")
    sound = torch.from_numpy(one.spectrogram.transpose("stimulus", "freq", "time").values)
    n_bins = int(np.ceil(float(one.duration_s[0]) / 0.02 - 1e-6))
    with torch.no_grad():
        drive = Linear.forward(network, sound)[0, :, 3:n_bins].mean(1).numpy()
    weights = network.filters.weight.detach().numpy()[..., ::-1]
    np.testing.assert_allclose(field, 2 * drive[:, None, None] * weights, rtol=1e-3, atol=1e-6)


class Squares(Linear):
    """Another gradient at each time."""

    def forward(self, spectrogram):
        return super().forward(spectrogram) ** 2


@pytest.mark.parametrize("n_times", [3, 8])
@pytest.mark.parametrize("before_ms", [20, 2000])
def test_gradient_strf__does_not_depend_on_the_window(ds, before_ms, n_times):
    network = make(Squares, ds)
    longer = aa1xr.open_sample(dt_ms=20, before_ms=before_ms, after_ms=100)
    longer = longer.sel(neuron=ds.neuron, stimulus=ds.stimulus)
    fields = [gradient_strf(each, network, lags_ms=120, n_times=n_times) for each in (ds, longer)]
    xr.testing.assert_allclose(*fields, rtol=1e-4)


def test_gradient_strf__is_in_deviations_of_the_bands(ds):
    network = make(Linear, ds)
    bins = [
        sound.values[:, : int(np.ceil(float(sound.duration_s) / 0.02 - 1e-6))]
        for sound in ds.spectrogram.transpose("stimulus", "freq", "time")
    ]
    deviation = np.concatenate(bins, 1).std(1)
    weights = network.filters.weight.detach().numpy()[..., ::-1]
    field = gradient_strf(ds, network, lags_ms=80)
    np.testing.assert_allclose(field, weights * deviation[:, None], rtol=1e-4, atol=1e-7)
    assert field.attrs["units"] == "count/s"


@pytest.mark.parametrize("kind", [GRU, CNN])
def test_gradient_strf__is_the_change_of_a_rate(kind, ds):
    network = make(kind, ds, dt_ms=20)
    one = ds.isel(stimulus=[2])
    sound = torch.from_numpy(one.spectrogram.transpose("stimulus", "freq", "time").values)
    n_bins = int(np.ceil(float(one.duration_s[0]) / 0.02 - 1e-6))
    field = gradient_strf(one, network, lags_ms=60, n_times=1, scale="unit")  # at the third bin
    network = network.double().eval()
    changed = sound.double()
    with torch.no_grad():
        before = network(changed)[0, :, 2].clone()
        changed[0, 10, 1] += 1e-5
        change = (network(changed)[0, :, 2] - before) / 1e-5
    assert n_bins > 3
    np.testing.assert_allclose(field[:, 10, 1], change, rtol=1e-2, atol=1e-6)


def test_gradient_strf__is_plotted(ds):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    field = gradient_strf(ds, make(Linear, ds), lags_ms=80)
    axes = aa1xr.plot.strfs(field, figure=Figure())
    assert [ax.get_title() for ax in axes] == [
        f"{name}\n({area.replace('_', ' ')})"
        for name, area in zip(field.neuron.values, field.area.values, strict=True)
    ]


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda ds: ds.isel(neuron=[0]), {}, "must give rates .*Select the neurons"),
        (lambda ds: ds, {"lags_ms": 1e5}, "lags_ms=100000.0 is 5000 bins"),
        (lambda ds: ds, {"lags_ms": 0}, "lags_ms"),
        (lambda ds: ds, {"scale": "band"}, "scale='band'; expected"),
        (lambda ds: ds, {"n_times": 0}, "n_times=0; expected a whole number"),
        (lambda ds: ds.assign(spectrogram=ds.spectrogram.where(ds.freq < 0)), {}, "must be finite"),
        (lambda ds: ds[["psth"]], {}, "spectrogram"),
        (lambda ds: ds.isel(time=slice(-2, None)), {}, "bins while each stimulus plays"),
    ],
)
def test_gradient_strf__refuses(change, options, says, ds):
    with pytest.raises(ValueError, match=says):
        gradient_strf(change(ds), make(Linear, ds), **options)


def test_gradient_strf__refuses_what_is_no_network(ds):
    with pytest.raises(TypeError, match="network is the function"):
        gradient_strf(ds, lambda sound: sound)
