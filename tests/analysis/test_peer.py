"""Measures held against deepSTRF itself, where it and torch are installed."""

import numpy as np
import pytest
import xarray as xr

import aa1xr

torch = pytest.importorskip("torch", reason="needs torch and deepSTRF")
audio = pytest.importorskip(
    "deepSTRF.datasets.audio.audio_dataset", reason="needs torch and deepSTRF"
)
performance = pytest.importorskip("deepSTRF.metrics.performance", reason="needs torch and deepSTRF")


@pytest.fixture(scope="module")
def ds(sample_archive) -> xr.Dataset:
    return aa1xr.open_sample()


def as_peer(array):
    """Stimuli first, as the peer has them; NaN is missing on both sides."""
    return torch.tensor(array.transpose("stimulus", "neuron", ...).values)


def test_standardize__is_standardize_stims_of_the_peer(ds):
    train = [0, 3, 5, 11]
    peer = audio.AudioNeuralDataset(path="", dt_ms=5)
    vars(peer).update(aa1xr.to_deepstrf(ds)._asdict())
    found = peer.standardize_stims(train)
    sound, scaling = aa1xr.standardize(
        ds.spectrogram, over=("stimulus", "time"), stats_from=ds.spectrogram.isel(stimulus=train)
    )
    np.testing.assert_allclose(scaling.offset, found["mean"].squeeze(), rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, found["std"].squeeze(), rtol=1e-6)
    for ours, theirs in zip(sound.values, peer.stims, strict=True):
        n_bins = theirs.shape[-1]
        np.testing.assert_allclose(ours[:, :n_bins], theirs[0], rtol=1e-5, atol=1e-5)


def test_quality__snr_of_the_peer(ds):
    expected = performance.snr(as_peer(ds.spikes), reduction="none")
    np.testing.assert_allclose(aa1xr.quality(ds).snr, expected.numpy(), rtol=1e-4)


def test_score__cc_norm_of_the_peer(ds):
    # Of one stimulus: over several the peer pools about one mean, and we about each one's own.
    one = ds.sel(stimulus=["flatrip-02"])
    smooth = aa1xr.smooth(one.psth, window_ms=60)
    # Each neuron's is predicted from another's; plain coordinates, as a model would give them.
    prediction = xr.DataArray(
        np.roll(smooth.values, 6, axis=0),
        {"neuron": one.neuron.values, "stimulus": one.stimulus.values, "time": one.time.values},
        smooth.dims,
    )
    scores = aa1xr.score(prediction, one).compute()
    pred = as_peer(prediction.expand_dims("trial", 2).fillna(0))
    peer = performance.normalized_corrcoef(pred, as_peer(one.spikes), reduction="none").numpy()
    defined = scores.cc_norm.notnull().values
    assert defined.sum() >= 8
    np.testing.assert_allclose(scores.cc_norm.values[defined], peer[defined], rtol=1e-4)
