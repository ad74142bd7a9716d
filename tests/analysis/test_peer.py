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


#: deepSTRF's own functions, of a prediction, the PSTH and the responses.
PEER = {
    "cc_raw": lambda p, y, _: performance.corrcoef(p, y, reduction="none"),
    "fve": lambda p, y, _: performance.fve(p, y, reduction="none"),
    "cc_norm_deepstrf": lambda p, _, r: performance.normalized_corrcoef(p, r, reduction="none"),
    "cc_norm_half_deepstrf": lambda p, _, r: performance.normalized_corrcoef(
        p, r, method="hsu", reduction="none"
    ),
}


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
@pytest.mark.parametrize("stimuli", [["flatrip-02"], ["conspecific-01", "conspecific-04"], None])
def test_score__figures_of_the_peer(ds, stimuli):
    """Of songs and ripples, 10 and 15 trials, a silent neuron; exactly, in double precision."""
    chosen = ds if stimuli is None else ds.sel(stimulus=stimuli)
    smooth = aa1xr.smooth(chosen.psth, window_ms=60).fillna(0)
    # Each neuron's is predicted from another's; plain coordinates, as a model would give them.
    prediction = xr.DataArray(
        np.roll(smooth.values, 5, axis=0) + 1.0,
        {name: chosen[name].values for name in smooth.dims},
        smooth.dims,
    ).astype(float)
    scores = aa1xr.score(chosen, prediction).compute()
    responses = as_peer(chosen.spikes.astype(float) / 0.005)
    p = as_peer(prediction.expand_dims("trial", 2))
    psth = torch.nanmean(responses, dim=2, keepdim=True)
    for name, function in PEER.items():
        peer = function(p, psth, responses).numpy()
        heard = chosen.n_trials.sum("stimulus").values > 0
        assert np.isfinite(peer[heard]).sum() >= 4
        np.testing.assert_allclose(scores[name].values, peer, rtol=1e-6, atol=1e-6, err_msg=name)
