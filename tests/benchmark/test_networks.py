"""Where torch is installed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from aa1xr.benchmark.networks import (  # noqa: E402
    CNN,
    GRU,
    GRUSmall,
    Mamba,
    MambaSmall,
    Recurrence,
    Transformer,
    TransformerSmall,
)

KINDS = [GRU, Mamba, Transformer, CNN, GRUSmall, MambaSmall, TransformerSmall]


def made(kind, dt_ms=1.0, n_freq=32, n_neurons=3):
    torch.manual_seed(0)
    return kind(n_freq, n_neurons, dt_ms=dt_ms).eval()


def sound(n_bins, n_freq=32, n_batch=2):
    return torch.rand(n_batch, n_freq, n_bins, generator=torch.manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dt_ms", [1.0, 2.5, 5.0])
@pytest.mark.parametrize("n_bins", [1, 60, 61, 62, 63])
def test_network__a_positive_rate_for_each_neuron_and_bin(kind, dt_ms, n_bins):
    rates = made(kind, dt_ms)(sound(n_bins))
    assert rates.shape == (2, 3, n_bins)
    assert (rates > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_network__takes_any_number_of_bands(kind):
    assert made(kind, n_freq=13)(sound(40, n_freq=13)).shape == (2, 3, 40)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dt_ms", [1.0, 5.0])
def test_network__hears_nothing_in_advance(kind, dt_ms):
    network, heard = made(kind, dt_ms), sound(80)
    rates = network(heard)
    for first in range(40, 48):
        changed = heard.clone()
        changed[..., first:] += 1
        difference = (network(changed) - rates).abs().amax((0, 1))
        assert difference[:first].max() == 0
        # Bins of one step share what is known at its first.
        assert difference[first + network.step - 1] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_network__sounds_of_a_batch_do_not_matter_to_each_other(kind):
    network, heard = made(kind), sound(50)
    torch.testing.assert_close(network(heard)[:1], network(heard[:1]))


@pytest.mark.parametrize("kind", KINDS)
def test_network__has_settled_before_the_sound(kind):
    network = made(kind)
    rates = network(torch.zeros(1, 32, 400)).unflatten(-1, (-1, network.step))
    torch.testing.assert_close(rates[..., 0, :], rates[..., -1, :], rtol=0.02, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_calibrate__starts_at_the_mean_rates_in_any_unit(kind):
    network = made(kind)
    bands = sound(500)[0]
    rates = torch.rand(3, 500, generator=torch.manual_seed(2)) * torch.tensor([[1], [20], [300]])
    rates[0, 100:] = np.nan  # not heard
    rates[2] = np.nan  # heard nothing
    network.calibrate(bands, rates)
    torch.testing.assert_close(network.band_mean, bands.mean(1, keepdim=True))
    torch.testing.assert_close(network.rate_scale[1, 0], rates[1].std(correction=0))
    assert network.rate_scale[2] == 1
    with torch.no_grad():
        network.read_out.weight.zero_()
    got = network(sound(20)).mean((0, 2))
    torch.testing.assert_close(got[:2], rates[:2].nanmean(1), rtol=1e-4, atol=0)
    torch.testing.assert_close(
        network(sound(20)), made_again(network, kind)(7 * sound(20)), rtol=1e-4, atol=0
    )


def made_again(network, kind):
    """The same for sounds seven times as loud."""
    louder = made(kind)
    louder.load_state_dict(network.state_dict())
    louder.band_mean *= 7
    louder.band_scale *= 7
    return louder


@pytest.mark.parametrize(
    ("kind", "one_neuron", "all_neurons"),
    [
        (GRU, 179_316, 197_940),
        (Mamba, 69_236, 81_716),
        (Transformer, 87_380, 99_860),
        (GRUSmall, 22_988, 33_932),
        (MambaSmall, 35_420, 47_900),
        (TransformerSmall, 28_108, 40_588),
    ],
)
def test_network__has_as_many_weights_as_documented(kind, one_neuron, all_neurons):
    counts = [
        sum(weights.numel() for weights in made(kind, n_neurons=n).parameters()) for n in (1, 49)
    ]
    assert counts == [one_neuron, all_neurons]


def test_recurrence__is_a_plain_loop_and_so_are_its_gradients():
    torch.manual_seed(0)
    keep, new = torch.rand(2, 7, 2, 3, dtype=torch.float64).requires_grad_().unbind()
    state, expected = torch.zeros_like(new[0]), []
    for kept, added in zip(keep, new, strict=True):
        state = kept * state + added
        expected.append(state)
    torch.testing.assert_close(Recurrence.apply(keep, new), torch.stack(expected))
    assert torch.autograd.gradcheck(Recurrence.apply, (keep, new))


def test_transformer__attends_to_240_ms_and_no_more():
    network, heard = made(Transformer, 5.0), sound(300)
    attention = network.blocks[0]
    steps = torch.rand(1, 200, 64)
    changed = steps.clone()
    changed[:, 60] += 1  # in the second piece
    with torch.no_grad():
        difference = (attention(changed) - attention(steps)).abs().amax((0, 2))
    assert difference.nonzero()[:, 0].tolist() == list(range(60, 60 + 48))
    assert attention.n_lags * 5 == 240
    assert network(heard).isfinite().all()


def test_transformer__has_a_bias_for_each_lag_and_head():
    attention = made(Transformer, 5.0).blocks[0]
    with torch.no_grad():
        attention.ask.weight[:128] = 0
        attention.ask.bias[:128] = 0
        attention.bias.fill_(-100)
        attention.bias[:, 7] = 0  # so that all that counts was 7 steps ago
        steps = torch.rand(1, 100, 64)
        changed = steps.clone()
        changed[:, 50] += torch.rand(64)
        difference = (attention(changed) - attention(steps)).abs().amax((0, 2))
    assert (difference > 1e-4).nonzero()[:, 0].tolist() == [50, 57]
