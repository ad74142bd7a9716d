"""Held against deepSTRF itself, where it and torch are installed."""

import zipfile

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


@pytest.mark.parametrize("rate", [None, 16_000])
def test_to_deepstrf__waveforms_are_a_dataset_of_the_peer(ds, rate):
    audio = pytest.importorskip("deepSTRF.datasets.audio.audio_dataset", reason="needs torchaudio")
    lists = aa1xr.to_deepstrf(ds.drop_vars("spectrogram"), waveform=True, sample_rate=rate)
    dataset = audio.AudioNeuralDataset(path="", dt_ms=5)
    vars(dataset).update(lists._asdict())
    dataset.validate()  # the grid of the samples, too
    assert (dataset.audio_fs, dataset.hop, dataset.F) == ((32_000, 160, 32), (16_000, 80, 32))[
        rate is not None
    ]
    sounds = aa1xr.sounds(ds, sample_rate=rate).waveform
    for stimulus, counts, sound in zip(dataset.stims, dataset.responses, sounds, strict=True):
        n_bins = max(trials.shape[1] for trials in counts)
        assert stimulus.shape == (1, n_bins * dataset.hop)
        np.testing.assert_array_equal(stimulus[0], sound[: n_bins * dataset.hop])
    plain = aa1xr.to_deepstrf(ds)
    assert (plain.return_waveform, plain.audio_fs) == (False, None)
    for ours, other in zip(lists.responses, plain.responses, strict=True):
        assert all(
            torch.equal(a.nan_to_num(-1), b.nan_to_num(-1))
            for a, b in zip(ours, other, strict=True)
        )


#: Its LEAF needs the compiled part of torchaudio, which benchmarks/peer-env.sh leaves out.
FRONT_ENDS = {"mel": "n_mels", "gammatone": "n_filters", "sincnet": "n_filters"}


@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_to_deepstrf__front_ends_of_the_peer_train_on_waveforms(ds, kind):
    wav2spec = pytest.importorskip("deepSTRF.models.wav2spec", reason="needs all of deepSTRF")
    zoo = pytest.importorskip("deepSTRF.models.audio.audio_zoo", reason="needs all of deepSTRF")
    audio = pytest.importorskip("deepSTRF.datasets.audio.audio_dataset", reason="needs torchaudio")
    torch.manual_seed(0)
    dataset = audio.AudioNeuralDataset(path="", dt_ms=5)
    few = ds.sel(type="flatrip", area="MLd").isel(stimulus=[0, 1], time=slice(0, 120))
    lists = aa1xr.to_deepstrf(few, waveform=True)
    vars(dataset).update(lists._asdict())
    dataset.validate()
    batch = neural_collate([dataset[s] for s in range(2)])
    options = {"audio_fs": dataset.audio_fs, "dt_ms": dataset.dt, FRONT_ENDS[kind]: dataset.F}
    front_end = wav2spec.make_wav2spec(kind, **options)
    model = zoo.Linear(
        n_frequency_bands=dataset.F,
        temporal_window_size=10,
        out_neurons=dataset.N_neurons,
        wav2spec=front_end,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        predicted = model(batch["stims"])
        assert predicted.shape[-1] == batch["responses"].shape[-1] == 120
        losses.append(mse_loss(predicted, batch["responses"]))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def extract(archive, folder):
    """The stimuli and a cell of each area of an archive, as deepSTRF reads them."""
    with zipfile.ZipFile(archive) as members:
        names = [name for name in members.namelist() if not name.endswith("/")]
        for area in ("Field_L_cells", "MLd_cells"):
            cell = min(name.rsplit("/", 2)[0] for name in names if area in name)
            members.extractall(folder, [name for name in names if name.startswith(f"{cell}/")])
        members.extractall(folder, [name for name in names if "all_stims" in name])
    (stimuli,) = folder.rglob("all_stims")
    return stimuli.parent


@pytest.mark.parametrize(
    ("name", "rate"),
    [("sample_archive", 32_000), ("sample_archive", 48_000), ("real_archive", 32_000)],
)
def test_to_deepstrf__waveforms_are_those_of_the_peer(request, name, rate, data_dir, tmp_path):
    """But for the bin of silence that it has after a stimulus of whole bins."""
    audio = pytest.importorskip("deepSTRF.datasets.audio", reason="needs torchaudio")
    archive = request.getfixturevalue(name)
    folder = extract(archive, tmp_path)
    peer = audio.CRCNSAA1Dataset(
        str(folder), dt_ms=5, smooth=False, return_waveform=True, audio_fs=rate
    )
    cells = [meta["cell_id"] for meta in peer.nrn_meta]
    ds = aa1xr.open(archive, data_dir=data_dir).sel(neuron=cells)
    ds = ds.aa1.sel(name=[meta["name"] for meta in peer.stim_meta])
    assert ds.name.values.tolist() == [meta["name"] for meta in peer.stim_meta]
    lists = aa1xr.to_deepstrf(ds, waveform=True, sample_rate=rate)
    assert (peer.return_waveform, peer.audio_fs, peer.F) == (True, lists.audio_fs, lists.F)
    n_longer = 0
    for s, (ours, theirs) in enumerate(zip(lists.stims, peer.stims, strict=True)):
        is_longer = peer.stim_meta[s]["n_samples"] % 160 == 0
        n_longer += is_longer
        assert theirs.shape[1] == ours.shape[1] + peer.hop * is_longer
        shared = theirs[:, : ours.shape[1]]
        if rate == 32_000:
            assert torch.equal(ours, shared)
        else:  # resampled by other filters
            assert torch.corrcoef(torch.cat([ours, shared]))[0, 1] > 0.99
        for mine, his in zip(lists.responses[s], peer.responses[s], strict=True):
            assert torch.equal(mine.nan_to_num(-1), his[:, : mine.shape[1]].nan_to_num(-1))
    assert 0 < n_longer < len(peer.stims)
