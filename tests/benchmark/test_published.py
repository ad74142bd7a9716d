"""Where torch is installed."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.benchmark import MODELS, PROTOCOLS, run

torch = pytest.importorskip("torch", reason="needs torch")

from aa1xr.benchmark import published, training  # noqa: E402
from aa1xr.benchmark.published import (  # noqa: E402
    CNN2025FieldL,
    CNN2025MLd,
    StateNetGRU,
    StateNetMamba,
    Transformer2025,
)

KINDS = {
    "statenet-gru": (StateNetGRU, 24_774),
    "statenet-mamba": (StateNetMamba, 32_334),
    "transformer-2025": (Transformer2025, 29_109),
    "cnn-2025-field-l": (CNN2025FieldL, 26_915),
    "cnn-2025-mld": (CNN2025MLd, 34_475),
}
each_kind = pytest.mark.parametrize("kind", [kind for kind, _ in KINDS.values()])


@pytest.fixture
def two_epochs(monkeypatch):
    monkeypatch.setattr(published, "RECIPE", dataclasses.replace(published.RECIPE, n_epochs=2))


@pytest.mark.parametrize(("kind", "count"), KINDS.values())
def test_networks__have_the_published_number_of_parameters(kind, count):
    # The count of the 2D-CNN is that of 34 bands, the default of the class of its authors.
    network = kind(34 if "CNN" in kind.__name__ else 32, 1, dt_ms=1.0)
    assert sum(weights.numel() for weights in network.parameters()) == count


@pytest.mark.parametrize(
    ("kind", "reach"), [(Transformer2025, 41), (CNN2025FieldL, 25), (CNN2025MLd, 61)]
)
def test_networks__reach_back_so_many_bins(kind, reach):
    network = kind(32, 3, dt_ms=1.0).eval()
    sound = torch.randn(1, 32, 80)
    other = sound.clone()
    other[..., 0] += 1
    with torch.no_grad():
        differ = (network(sound) != network(other)).any(1)[0]
    assert differ.nonzero().max() == reach - 1


@each_kind
def test_networks__depend_on_no_later_sound_and_on_no_other_stimulus(kind):
    network = kind(32, 3, dt_ms=5.0).eval()
    sound = torch.randn(2, 32, 60)
    later = sound.clone()
    later[0, :, 40:] += 1
    with torch.no_grad():
        rates, other, alone = network(sound), network(later), network(sound[1:])
    assert rates.shape == (2, 3, 60)
    torch.testing.assert_close(other[0, :, :40], rates[0, :, :40])
    assert not torch.allclose(other[0, :, 40:], rates[0, :, 40:])
    torch.testing.assert_close(other[1], rates[1])
    torch.testing.assert_close(alone[0], rates[1], rtol=1e-4, atol=1e-4)


def test_statenet__depends_on_later_sound_only_while_it_is_trained():
    network = StateNetGRU(32, 3, dt_ms=5.0).train()
    sound = torch.randn(1, 32, 60)
    later = sound.clone()
    later[..., 40:] += 1
    assert not torch.allclose(network(sound)[..., :40], network(later)[..., :40])


def test_gates__are_those_of_torchs_gru_and_its_gradient():
    network, found = StateNetGRU(32, 3, dt_ms=5.0), torch.randn(2, 9, 63)

    def states_and_gradients(states):
        network.zero_grad()
        sound = found.clone().requires_grad_()
        got = states(sound)
        (got * torch.arange(63)).square().mean().backward()
        weights = dict(network.recurrent.named_parameters())
        return {"states": got, "sound": sound.grad} | {n: w.grad for n, w in weights.items()}

    expected = states_and_gradients(lambda sound: network.recurrent(sound)[0])
    torch.testing.assert_close(states_and_gradients(network.states), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("compression", "least"), [("cubic", 1e-16), ("log1p", 1e-16), ("none", 1e-16), ("db", 1e-8)]
)
def test_with_log_power__is_the_same_from_each_compression(compression, least, sample_archive):
    power = aa1xr.open(sample_archive, dt_ms=5, compression="none").spectrogram
    # A frame of a 10 ms window has 320 samples; a full-scale sine has the power 80 ** 2.
    expected = np.log10(np.maximum(power, 80.0**2 * least))
    got = published.with_log_power(
        aa1xr.open(sample_archive, dt_ms=5, compression=compression)
    ).spectrogram
    assert np.isfinite(got).all()
    assert got.attrs["silence"] == pytest.approx(np.log10(80.0**2 * least), abs=1e-4)
    if compression == "log1p":  # whose rounding loses what is quieter
        heard = expected > np.log10(80.0**2 * 1e-8)
        got, expected = got.where(heard, 0), expected.where(heard, 0)
    np.testing.assert_allclose(got, expected, atol=2e-4)


def test_double_exponential__has_the_gradient_of_its_formula_and_any_sign():
    output = published._DoubleExponential(2).double()
    drive = torch.linspace(-3, 3, 8, dtype=torch.double).reshape(4, 2).requires_grad_()
    with torch.no_grad():
        output.range.copy_(torch.tensor([-0.5, 2.0]))
    a, b, k, s = (
        getattr(output, name).detach().numpy()
        for name in ("range", "baseline", "gain", "threshold")
    )
    x = drive.detach().numpy()
    expected = b + a * np.exp(-np.exp(k * x - s))
    np.testing.assert_allclose(output(drive).detach().numpy(), expected)
    assert torch.autograd.gradcheck(output, (drive,))


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.assign(spectrogram=ds.spectrogram.drop_attrs()),
        lambda ds: ds.assign(
            spectrogram=aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))[0]
        ),
        lambda ds: ds.assign(spectrogram=aa1xr.smooth(ds.spectrogram, 20)),
        lambda ds: aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, "gammatone")),
        published.with_log_power,
    ],
    ids=["unknown", "scaled", "smoothed", "gammatone", "log10 of the power"],
)
def test_with_log_power__leaves_other_spectrograms_as_they_are(change, ds):
    other = change(ds)
    assert published.with_log_power(other) is other


def test_with_log_power__of_resampled_waveforms(ds):
    # No coordinate says the rate of these waveforms.
    half = ds.assign(spectrogram=ds.spectrogram.assign_attrs(sample_rate=16_000))
    least = [
        published.with_log_power(each).spectrogram.attrs["silence"]
        for each in (ds, half.drop_vars("sample_rate"))
    ]
    assert least[0] - least[1] == pytest.approx(np.log10(4))


def test_with_log_power__is_not_the_spectrogram_of_the_protocol(ds, protocol):
    assert protocol.attrs_of(published.with_log_power(ds))["spectrogram"] == "custom"


def test_fit__squares_the_error_of_counts_and_keeps_the_least(ds, protocol, monkeypatch):
    prepared = protocol.prepare(ds.sel(area="MLd"))
    split = protocol.splits(prepared)[0]
    known = prepared.sel(stimulus=[*split.train, *split.validation]).compute()
    scores, validate = [], training._Training.validate

    def watched(self, held_out):
        validate(self, held_out)
        with torch.no_grad():
            rates = self.network(held_out.spectrogram)
        errors = ((rates - held_out.responses) * 0.005)[held_out.mask]
        scores.append(float(errors.square().mean()))
        assert self.optimizer.param_groups[0]["lr"] == 1e-3

    monkeypatch.setattr(training._Training, "validate", watched)
    recipe = dataclasses.replace(published.RECIPE, n_epochs=4)
    network = training.fit(StateNetGRU, known, split, seed=0, recipe=recipe)
    held_out = known.sel(stimulus=split.validation)
    errors = (training.predict(network, held_out).numpy() - held_out.psth.values) * 0.005
    assert np.nanmean(errors**2) == pytest.approx(min(scores), rel=1e-4)


@pytest.mark.parametrize("model", KINDS)
def test_run__two_epochs_on_the_sample(model, sample_archive, two_epochs):
    protocol = dataclasses.replace(
        PROTOCOLS["rancon2025-mixture"], name="quick", n_splits=1, dt_ms=20.0
    )
    ds = aa1xr.open(sample_archive, **protocol.options)
    result = run(ds, protocol, model, areas=["MLd"])
    assert result.stimulus_type.values.tolist() == ["all"]
    assert np.isfinite(result.cc_norm).sum() == 6
    assert result.causal.all()


def test_run__a_killed_run_goes_on_to_the_same_network(ds, protocol, two_epochs, tmp_path):
    one = dataclasses.replace(protocol, n_splits=1)
    whole = run(ds, one, "statenet-mamba", areas=["MLd"])
    validate, seen = training._Training.validate, []

    def killed(self, held_out):
        seen.append(self.epoch)
        if len(seen) == 2:
            raise KeyboardInterrupt
        validate(self, held_out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._Training, "validate", killed)
        with pytest.raises(KeyboardInterrupt):
            run(ds, one, "statenet-mamba", areas=["MLd"], path=tmp_path / "out")
        again = run(ds, one, "statenet-mamba", areas=["MLd"], path=tmp_path / "out")
    assert seen == [1, 2, 2]
    xr.testing.assert_identical(again.drop_vars("seconds"), whole.drop_vars("seconds"))


def test_models__are_all_there():
    assert set(KINDS) <= set(MODELS)
