"""Held against deepSTRF itself, where it and torch are installed."""

import numpy as np
import pytest

import aa1xr

torch = pytest.importorskip("torch", reason="needs torch and deepSTRF")
performance = pytest.importorskip("deepSTRF.metrics.performance", reason="needs torch and deepSTRF")

from deepSTRF.datasets.neural_dataset import NeuralDataset  # noqa: E402
from deepSTRF.metrics.losses import mse_loss  # noqa: E402
from deepSTRF.utils.data import neural_collate  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402


@pytest.fixture(scope="module")
def peer(ds):
    # The base of its AudioNeuralDataset, which cannot be imported without torchaudio.
    dataset = NeuralDataset(path="", dt_ms=5)
    vars(dataset).update(aa1xr.to_deepstrf(ds)._asdict())
    dataset.validate()
    return dataset


def test_to_deepstrf__is_a_dataset_of_the_peer(peer, ds):
    assert (len(peer), peer.get_N(), peer.F) == (15, 12, 32)
    heard = ds.n_trials.values > 0
    np.testing.assert_array_equal(peer.nrn_masks.numpy(), heard.T)
    for s in range(15):
        n_bins = int(np.ceil(ds.n_samples.values[s] / 160))
        assert peer.stims[s].shape == (1, 32, n_bins)
        for n in range(12):
            counts = ds.spikes[n, s, : int(ds.n_trials[n, s]), :n_bins].values
            if heard[n, s]:
                np.testing.assert_array_equal(peer.responses[s][n], counts)
            else:
                assert peer.responses[s][n].shape == (1, 1)
    assert peer.select_pop_by_nrn_attr("area", "MLd") == list(range(6, 12))
    assert {meta["cell_id"] for meta in peer.get_nrn_meta()} == set(
        ds.sel(area="MLd").neuron.values
    )
    peer.I = []


def test_to_deepstrf__metrics_of_the_peer(peer, ds):
    responses = neural_collate([peer[s] for s in range(len(peer))])["responses"]
    snr = performance.snr(responses, reduction="none")
    np.testing.assert_allclose(snr, aa1xr.quality(ds).snr, rtol=1e-4)


@pytest.fixture
def batch(peer):
    return next(iter(DataLoader(peer, batch_size=3, collate_fn=neural_collate)))


def test_to_deepstrf__losses_of_the_peer(batch):
    # A prediction of no spikes: its mean square error is that of the mean over trials.
    silence = torch.zeros_like(batch["responses"][:, :, :1])
    loss = mse_loss(silence, batch["responses"], reduction="none")
    rates = batch["responses"].nanmean(2).transpose(0, 1).flatten(1)
    np.testing.assert_allclose(loss, (rates**2).nanmean(1), rtol=1e-5)


def test_to_deepstrf__models_of_the_peer(batch):
    zoo = pytest.importorskip("deepSTRF.models.audio.audio_zoo", reason="needs all of deepSTRF")
    model = zoo.Linear(n_frequency_bands=32, temporal_window_size=20, out_neurons=12)
    predicted = model(batch["stims"])
    assert predicted.shape[-1] == batch["responses"].shape[-1]
    mse_loss(predicted, batch["responses"]).backward()
    assert all(torch.isfinite(weights.grad).all() for weights in model.parameters())
    score = performance.corrcoef(predicted, batch["responses"], reduction="none")
    assert score.shape == (12,)


def test_to_deepstrf__your_labels_and_selection(ds):
    labelled = ds.assign_coords(depth_um=("neuron", range(12)))
    lists = aa1xr.to_deepstrf(labelled.sel(area="MLd", type="flatrip").isel(trial=[3, 12]))
    assert [meta["depth_um"] for meta in lists.nrn_meta] == list(range(6, 12))
    # Of cells with 10 presentations, the 12th is none.
    assert {response.shape[0] for one in lists.responses for response in one} == {1}
    with pytest.raises(ValueError, match="expected neuron and trial"):
        aa1xr.to_deepstrf(ds.isel(trial=0))
