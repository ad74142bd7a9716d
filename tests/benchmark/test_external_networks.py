"""Networks of others: trained as ours are, and refused with the reason."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from torch import nn  # noqa: E402
from torch.nn.functional import pad  # noqa: E402

from aa1xr.benchmark import run, training  # noqa: E402
from aa1xr.benchmark.external import find_model  # noqa: E402
from aa1xr.benchmark.networks import Network  # noqa: E402


class Linear(nn.Module):
    def __init__(self, n_freq, n_neurons):
        super().__init__()
        self.filters = nn.Conv1d(n_freq, n_neurons, 20)

    def forward(self, spectrogram):
        return self.filters(pad(spectrogram, (19, 0)))


class Ahead(Linear):
    def forward(self, spectrogram):
        return super().forward(pad(spectrogram[..., 1:], (0, 1)))


class Recent(Network):  # as in docs/guide/own-model.md
    def __init__(self, n_freq, n_neurons, *, dt_ms):
        super().__init__(n_freq, n_neurons, 64, dt_ms=dt_ms)
        self.filters = nn.Conv1d(n_freq, 64, self.window, stride=self.step)

    def features(self, sound):
        return self.filters(pad(sound.squeeze(1), (self.window - 1, 0))).relu().mT


class DeepSTRF(nn.Module):
    def __init__(self, n_freq, n_neurons):
        super().__init__()
        audio = pytest.importorskip("deepSTRF.models.audio", reason="needs deepSTRF")
        self.model = audio.LinearNonlinear(n_freq, temporal_window_size=20, out_neurons=n_neurons)

    def forward(self, spectrogram):
        return self.model(spectrogram.unsqueeze(1)).squeeze(2)


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch):
    monkeypatch.setattr(training.Recipe, "__init__", lambda self: None)
    for name, value in {"n_epochs": 4, "patience": 4}.items():
        monkeypatch.setattr(training.Recipe, name, value)


@pytest.mark.parametrize(
    ("kind", "causal"), [(Linear, True), (Ahead, False), (Recent, True), (DeepSTRF, True)]
)
def test_run__trains_a_network(ds, protocol, kind, causal):
    result = run(ds, protocol, kind, areas=["MLd"])
    assert result.attrs["model"] == kind.__name__
    assert result.causal.values.tolist() == [[[causal] * 2]] * 2
    assert float(result.cc_raw.mean()) > 0.1
    if kind is Linear:  # 20 weights of each band, and one more
        bands = ds.sizes["freq"]
        assert (result.parameters_one_output == 20 * bands + 1).all()
        assert (result.parameters == result.sizes["neuron"] * (20 * bands + 1)).all()
        assert result.attrs["torch_version"] == str(torch.__version__)
    again = run(ds, protocol, kind, areas=["MLd"])
    np.testing.assert_array_equal(again.cc_raw, result.cc_raw)


class NoWeights(nn.Module):
    def __init__(self, n_freq, n_neurons):
        super().__init__()
        self.n_neurons = n_neurons

    def forward(self, spectrogram):
        return spectrogram[:, : self.n_neurons]


class Transposed(Linear):
    def forward(self, spectrogram):
        return super().forward(spectrogram).transpose(1, 2)


class Ternary(Linear):
    def __init__(self, n_freq, n_neurons, width):
        super().__init__(n_freq, n_neurons)


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (NoWeights, ValueError, "NoWeights has no weights to train"),
        (Transposed, ValueError, r"Transposed must give rates .*got \(\d+, \d+, 2\)"),
        (Ternary, TypeError, r"Ternary must be made by Ternary\(n_freq, n_neurons\).*'width'"),
        (Linear(32, 2), TypeError, "give the class"),
    ],
)
def test_run__says_what_is_wrong_with_a_network(ds, protocol, model, error, words):
    with pytest.raises(error, match=words):
        run(ds, protocol, model, areas=["MLd"])


def test_find_model__a_changed_network_is_another():
    changed = type("Linear", (Linear,), {"forward": Ahead.forward, "__module__": "__main__"})
    assert find_model(Linear).key != find_model(changed).key
