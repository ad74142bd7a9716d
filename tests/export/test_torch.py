"""Where torch is installed."""

import pickle

import numpy as np
import pytest

import aa1xr

torch = pytest.importorskip("torch", reason="needs torch")
from torch.utils.data import DataLoader, Dataset, Subset  # noqa: E402


@pytest.fixture(scope="module")
def songs(sample_archive):
    return aa1xr.drop_missing(aa1xr.open_sample(chunks=None).sel(type="conspecific"))


@pytest.mark.parametrize("name", ["psth", "spikes"])
def test_to_torch__items_are_the_stimuli(ds, name):
    dataset = aa1xr.to_torch(ds, responses=name)
    assert isinstance(dataset, Dataset)
    assert len(dataset) == 15
    for number, item in enumerate(dataset):
        one = ds.isel(stimulus=number)
        assert item.stimulus == one.stimulus.item()
        n_bins = item.mask.shape[-1]
        known = one[name].values[..., :n_bins]
        np.testing.assert_array_equal(item.mask, np.isfinite(known))
        np.testing.assert_array_equal(item.responses, np.nan_to_num(known))
        np.testing.assert_array_equal(item.spectrogram, one.spectrogram.values[:, :n_bins])
        assert item.responses.dtype == item.spectrogram.dtype == torch.float32
    assert number == 14
    assert dataset[-1].stimulus == "flatrip-04"
    with pytest.raises(IndexError):
        dataset[15]
    for index, numbers in ((slice(2, 5), [2, 3, 4]), ([-1, 0], [14, 0]), (np.array([3]), [3])):
        part = dataset[index]
        assert isinstance(part, Subset)
        labels = ds.stimulus.values[numbers].tolist()
        assert [item.stimulus for item in part] == labels
    assert dataset[np.int64(3)].stimulus == dataset[3].stimulus
    with pytest.raises(IndexError):
        dataset[[0, 15]]


def test_collate__pads_with_silence_as_it_is_after_a_scaling(ds):
    scaled, scaling = aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))
    dataset = aa1xr.to_torch(ds.assign(spectrogram=scaled))
    batch = dataset.collate(list(dataset))
    silence = (-scaling.offset / scaling.scale).values
    for row, item in zip(batch.spectrogram.numpy(), dataset, strict=True):
        n = item.spectrogram.shape[1]
        np.testing.assert_array_equal(row[:, :n], item.spectrogram)
        for band, quiet in zip(row[:, n:], silence, strict=True):
            np.testing.assert_allclose(band, quiet, rtol=1e-5)


def test_collate__pads_and_masks(songs):
    dataset = aa1xr.to_torch(songs)
    items = [dataset[0], dataset[2]]
    batch = dataset.collate(items)
    longest = max(item.mask.shape[1] for item in items)
    assert batch.spectrogram.shape == (2, 32, longest)
    assert batch.responses.shape == batch.mask.shape == (2, 11, longest)
    for padded, item in zip(batch.responses, items, strict=True):
        n_bins = item.mask.shape[1]
        assert torch.equal(padded[:, :n_bins], item.responses)
        assert not padded[:, n_bins:].any()
    assert batch.mask.sum() == sum(item.mask.sum() for item in items)
    assert batch.stimulus == ["conspecific-00", "conspecific-02"]


@pytest.mark.parametrize("compression", ["cubic", "db"])
@pytest.mark.parametrize("scaled", [False, True])
def test_collate__pads_with_silence_in_the_units_of_the_sound(sample_archive, compression, scaled):
    ds = aa1xr.open(sample_archive, compression=compression, chunks=None)
    silence = np.full(32, -80 if compression == "db" else 0, np.float32)
    if scaled:
        sound, scaling = aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))
        ds = ds.assign(spectrogram=sound.variable)
        silence = (silence - scaling.offset.values) / scaling.scale.values
    dataset = aa1xr.to_torch(aa1xr.drop_missing(ds))
    batch = dataset.collate([dataset[k] for k in range(len(dataset))])
    # Exactly as the Dataset has it: its axis is as long as the longest sound.
    np.testing.assert_array_equal(batch.spectrogram, ds.spectrogram.values)
    n_shorter = 0
    for number in range(len(dataset)):
        after = batch.spectrogram[number][:, dataset[number].mask.shape[1] :].numpy()
        np.testing.assert_allclose(
            after, np.repeat(silence[:, None], after.shape[1], 1), rtol=1e-5, atol=1e-5
        )
        n_shorter += after.shape[1] > 0
    assert n_shorter == len(dataset) - 1


# Python 3.12 warns of a fork while there are threads, as there are once zarr has read. Reading in
# the workers is safe: zarr starts anew after a fork, and dask's pool is not used.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("chunks", [{}, None])
def test_to_torch__in_workers(sample_archive, chunks):
    dataset = aa1xr.to_torch(aa1xr.open_sample(chunks=chunks).sel(type="flatrip"), cache=True)
    here = [dataset[k] for k in range(5)]
    assert len(pickle.dumps(dataset)) < 100_000
    copy = pickle.loads(pickle.dumps(dataset))  # as workers that are not forked get it
    assert torch.equal(copy[3].responses, here[3].responses)
    batches = list(DataLoader(dataset, 2, num_workers=2, collate_fn=dataset.collate))
    assert [len(batch.stimulus) for batch in batches] == [2, 2, 1]
    assert torch.equal(batches[2].responses[0], here[4].responses)
    assert torch.equal(batches[0].spectrogram[1], here[1].spectrogram)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("chunks", [{}, None])
def test_to_torch__waveforms(sample_archive, chunks):
    ds = aa1xr.open_sample(chunks=chunks).sel(type="flatrip")
    sounds = aa1xr.sounds(ds).waveform
    dataset = aa1xr.to_torch(ds, sound="waveform", cache=True)
    rates = aa1xr.to_torch(ds)
    items = list(dataset)
    for number, item in enumerate(items):
        assert item._fields == ("waveform", "responses", "mask", "stimulus")
        assert item.stimulus == ds.stimulus[number].item()
        assert torch.equal(item.responses, rates[number].responses)
        assert torch.equal(item.mask, rates[number].mask)
        assert item.waveform.dtype == torch.float32
        assert item.waveform.shape == (item.mask.shape[-1] * 160,)
        np.testing.assert_array_equal(item.waveform, sounds[number, : len(item.waveform)])
    assert len(pickle.dumps(dataset)) < 100_000
    batches = list(DataLoader(dataset, 2, num_workers=2, collate_fn=dataset.collate))
    assert [batch.stimulus for batch in batches] == [
        ["flatrip-00", "flatrip-01"],
        ["flatrip-02", "flatrip-03"],
        ["flatrip-04"],
    ]
    for batch in batches:
        for row, label in enumerate(batch.stimulus):
            item = items[[item.stimulus for item in items].index(label)]
            n = len(item.waveform)
            assert torch.equal(batch.waveform[row, :n], item.waveform)
            assert not batch.waveform[row, n:].any()
        assert batch.waveform.shape[1] == batch.responses.shape[-1] * 160


def test_to_torch__waveforms_of_unequal_lengths(songs):
    dataset = aa1xr.to_torch(songs, sound="waveform", sample_rate=16_000)
    items = [dataset[0], dataset[2]]
    assert len(items[0].waveform) != len(items[1].waveform)
    batch = dataset.collate(items)
    assert batch.waveform.shape == (2, batch.mask.shape[-1] * 80)
    for row, item in zip(batch.waveform, items, strict=True):
        assert torch.equal(row[: len(item.waveform)], item.waveform)
        assert not row[len(item.waveform) :].any()
    with pytest.raises(ValueError, match="sound='wave'; expected one of 'spectrogram', 'waveform'"):
        aa1xr.to_torch(songs, sound="wave")


def test_to_torch__trains_a_front_end_on_waveforms(songs):
    """A convolution with a stride of one bin, and a readout of what it gives."""
    torch.manual_seed(0)
    songs = aa1xr.resample(songs, dt_ms=40)
    dataset = aa1xr.to_torch(songs, sound="waveform", sample_rate=8000, cache=True)
    loader = DataLoader(dataset, 5, collate_fn=dataset.collate)
    front_end = torch.nn.Conv1d(1, 16, 320, stride=320)
    readout = torch.nn.Conv1d(16, 11, 5, padding=4)
    optimizer = torch.optim.Adam([*front_end.parameters(), *readout.parameters()], lr=0.01)

    def loss(batch):
        bands = (front_end(batch.waveform.unsqueeze(1)) ** 2 + 1e-4).log()
        log_rate = readout(bands)[..., : batch.mask.shape[-1]]
        each = torch.nn.functional.poisson_nll_loss(log_rate, batch.responses, reduction="none")
        return each[batch.mask].mean()

    losses = []
    for _ in range(12):
        for batch in loader:
            optimizer.zero_grad()
            losses.append(loss(batch))
            losses[-1].backward()
            optimizer.step()
    assert sum(losses[-2:]) < sum(losses[:2])  # two batches


def test_to_torch__cache(songs):
    plain, kept = (aa1xr.to_torch(songs, cache=cache) for cache in (False, True))
    assert plain[1] is not plain[1]
    assert kept[1] is kept[1]
    assert kept[-9] is kept[1]
    assert torch.equal(plain[1].responses, kept[1].responses)


def test_to_torch__trains_a_network(songs):
    # As a modeller would: a GRU over the songs, a Poisson loss over what is data.
    torch.manual_seed(0)
    train, _, test = aa1xr.split(songs, test=0.2, validation=0.1)
    songs = aa1xr.resample(songs, dt_ms=40)
    dataset = aa1xr.to_torch(songs, cache=True)
    labels = songs.stimulus.values.tolist()
    loaders = [
        DataLoader(Subset(dataset, [labels.index(s) for s in part]), 4, collate_fn=dataset.collate)
        for part in (train, test)
    ]
    gru = torch.nn.GRU(32, 16, batch_first=True)
    readout = torch.nn.Linear(16, 11)
    optimizer = torch.optim.Adam([*gru.parameters(), *readout.parameters()], lr=0.02)

    def loss(batch):
        log_rate = readout(gru(batch.spectrogram.mT)[0]).mT
        each = torch.nn.functional.poisson_nll_loss(log_rate, batch.responses, reduction="none")
        return each[batch.mask].mean()

    before = [loss(batch).item() for batch in loaders[1]]
    for _ in range(8):
        for batch in loaders[0]:
            optimizer.zero_grad()
            loss(batch).backward()
            optimizer.step()
    after = [loss(batch).item() for batch in loaders[1]]
    assert sum(after) < sum(before) - 0.5
