"""Spectrograms of one's choice, and all that takes them."""

import dataclasses
import pickle
import shutil
import warnings

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.analysis.spectrogram_checks import definition
from aa1xr.errors import UndefinedWarning
from tests.analysis.click_archive import write_clicks

KINDS = ("mel", "gaussian", "gammatone")


def envelope(samples, sample_rate):
    """Three bands: the level of each bin of 5 ms, its maximum, and whether it rises."""
    hop = sample_rate // 200
    bins = np.abs(np.pad(samples, (0, -samples.size % hop))).reshape(-1, hop)
    level = bins.mean(1)
    return np.stack([level, bins.max(1), np.diff(level, prepend=0)])


OWN = {"freq": [1000, 2000, 3000], "frame_ms": (0, 5)}


def each_kind(ds, **options):
    """A spectrogram of each kind, and one of a function."""
    yield from (aa1xr.spectrogram(ds, kind, **options) for kind in KINDS)
    yield aa1xr.spectrogram(ds, envelope, **OWN, **options)


# spectrogram


@pytest.mark.parametrize(
    ("window", "options"),
    [
        ({}, {}),
        ({"dt_ms": 1, "before_ms": 12, "after_ms": 40, "chunks": None}, {}),
        ({"dt_ms": 20}, {"frames": "causal", "compression": "db", "n_mels": 16, "window_ms": 20}),
        ({}, {"fmin": 250, "fmax": 8000, "compression": "log1p", "n_mels": 20}),
    ],
)
def test_spectrogram__mel_is_that_of_open(sample_store, window, options):
    ds = aa1xr.open(sample_store, **window, **options)
    got = aa1xr.spectrogram(aa1xr.open(sample_store, **window), **options)
    xr.testing.assert_identical(got, ds.spectrogram)
    again = aa1xr.with_spectrogram(aa1xr.open(sample_store, **window), got)
    xr.testing.assert_identical(again, ds)
    assert list(again.attrs) == list(ds.attrs)


SELECTIONS = [
    lambda ds: ds.isel(stimulus=[7, 0, 3]),
    lambda ds: ds.isel(time=slice(20, 90), stimulus=slice(2, None)),
    lambda ds: ds.isel(time=slice(430, None)),
    lambda ds: ds.sel(stimulus="flatrip-03", area="MLd"),
    lambda ds: ds.isel(neuron=0, trial=0),
]


@pytest.mark.parametrize("select", SELECTIONS)
def test_spectrogram__of_a_selection(ds, select):
    picked = select(ds)
    for got, whole in zip(each_kind(picked), each_kind(ds), strict=True):
        expected = whole.sel(stimulus=picked.stimulus, time=picked.time)
        np.testing.assert_array_equal(got, expected)
        assert got.dims == expected.dims
        for name in (*picked.stimulus.coords, "time"):
            assert got[name].variable.identical(picked[name].variable)


def test_spectrogram__is_silent_where_no_sound_plays(sample_store):
    ds = aa1xr.open(sample_store, before_ms=100, after_ms=200)
    quiet = (ds.time < 0) | (ds.time >= ds.duration_s)
    for got in each_kind(ds):
        assert (got.where(quiet, got.attrs["silence"]) == got.attrs["silence"]).all()
        assert (got.where(~quiet).max("freq") > got.attrs["silence"]).any()
        assert got.dtype == np.float32


@pytest.mark.parametrize("chunks", [{}, None])
def test_spectrogram__is_lazy(sample_store, monkeypatch, chunks):
    ds = aa1xr.open(sample_store, chunks=chunks)
    want = [each.compute() for each in each_kind(ds)]

    def fail(_, name, *args, **kwargs):
        raise AssertionError(f"{name} was read")

    monkeypatch.setattr("aa1xr.store.read.Store.read", fail)
    monkeypatch.setattr("aa1xr.store.read.Store.read_added", fail)
    lazy = list(each_kind(ds))
    replaced = [aa1xr.with_spectrogram(ds, each) for each in lazy]
    monkeypatch.undo()
    for one, other, expected in zip(replaced, lazy, want, strict=True):
        xr.testing.assert_identical(pickle.loads(pickle.dumps(other)).compute(), expected)
        np.testing.assert_array_equal(one.spectrogram, expected)


def test_spectrogram__is_cached_in_the_store(sample_store, tmp_path, monkeypatch):
    store = tmp_path / "copy.zarr"
    shutil.copytree(sample_store, store, ignore=shutil.ignore_patterns("spectrogram-*"))
    ds = aa1xr.open(store, dt_ms=20)
    first = aa1xr.spectrogram(ds, "gammatone", n_bands=4).compute()
    assert len(list(store.glob("spectrogram-*"))) == 1
    aa1xr.verify(store)

    def never(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr("aa1xr.dataset.spectrogram_kinds.Gammatone.__call__", never)
    xr.testing.assert_identical(aa1xr.spectrogram(ds, "gammatone", n_bands=4).compute(), first)


# Waveforms of the user's


@pytest.mark.parametrize("chunks", [{}, None])
def test_spectrogram__of_the_recorded_waveforms_is_the_same(sample_store, chunks):
    ds = aa1xr.open(sample_store, chunks=chunks).isel(stimulus=[0, 12])
    sounds = aa1xr.sounds(sample_store)
    for given in (sounds, sounds.waveform.load(), aa1xr.sounds(ds, dtype="int16")):
        for got, want in zip(each_kind(ds, sounds=given), each_kind(ds), strict=True):
            np.testing.assert_array_equal(got, want)
            assert got.attrs == want.attrs | {"waveforms": "custom"}


def test_spectrogram__of_scaled_and_filtered_waveforms(ds):
    sounds = aa1xr.sounds(ds)
    level = aa1xr.spectrogram(ds, "gaussian", floor_db=-120)
    half = aa1xr.spectrogram(ds, "gaussian", floor_db=-120, sounds=0.5 * sounds.waveform)
    loud = level > -80
    np.testing.assert_allclose((level - half).where(loud, 6.0206), 6.0206, atol=0.01)
    # A model may be applied to changed sounds: their spectrogram has the same definition.
    assert definition(half.attrs) == definition(level.attrs)


def test_spectrogram__of_waveforms_at_another_rate(ds):
    sounds = aa1xr.sounds(ds.isel(stimulus=[0, 12]), sample_rate=16_000)
    ds = ds.isel(stimulus=[0, 12])
    level = aa1xr.spectrogram(ds, "gaussian", fmax=6000)
    got = aa1xr.spectrogram(ds, "gaussian", fmax=6000, sounds=sounds)
    assert got.attrs["sample_rate"] == 16_000
    np.testing.assert_array_equal(got.freq, level.freq)
    loud = level > -40
    assert abs(got - level).where(loud, 0).max() < 1


def change_time(waveform, seconds):
    return waveform.drop_indexes("time").assign_coords(time=("sample", seconds))


BAD_SOUNDS = {
    "a cut": (lambda w: w.isel(sample=slice(100, None)), "cover each stimulus from its onset"),
    "a cut end": (lambda w: w.isel(sample=slice(60000)), "cover each stimulus from its onset"),
    "stereo": (lambda w: w.expand_dims(channel=2), "there is one too many, 'channel'"),
    "no rate": (lambda w: w.drop_vars("sample_rate"), "must have the coordinate 'sample_rate'"),
    "no n_samples": (lambda w: w.drop_vars("n_samples"), "the coordinate 'n_samples'"),
    "no time": (lambda w: w.drop_vars("time"), "must have the coordinate 'time'"),
    "other time": (
        lambda w: change_time(w, w.time.values * 2),
        "time of the waveforms must ascend in steps of 1/32000 s",
    ),
    "another stimulus": (lambda w: w.isel(stimulus=[0]), "got 'flatrip-0. 0 times|0 times"),
    "twice": (lambda w: w.isel(stimulus=[0, 0, 1]), "got 'conspecific-00' 2 times"),
    "integers": (lambda w: w.astype(np.int32), "floats in .* or int16; got int32"),
    "two rates": (
        lambda w: w.assign_coords(sample_rate=("stimulus", [32000, 16000])),
        r"must have one sample rate; got \[16000, 32000\] Hz",
    ),
    "an odd rate": (
        lambda w: change_time(
            w.assign_coords(sample_rate=("stimulus", [44123, 44123])), w.time.values * 32000 / 44123
        ),
        "44123 Hz has no whole number of samples",
    ),
    "a NaN": (
        lambda w: w.where(w.time != 0.5),
        "the waveform of 'conspecific-0[01]' must be finite; got nan at sample 16000",
    ),
    "another variable": (lambda w: w.to_dataset(name="sound"), "no variable 'waveform'"),
}


@pytest.mark.parametrize("how", BAD_SOUNDS)
def test_spectrogram__refuses_waveforms(sample_store, how):
    change, message = BAD_SOUNDS[how]
    ds = aa1xr.open(sample_store).isel(stimulus=[0, 1])
    waveform = aa1xr.sounds(sample_store).waveform.isel(stimulus=[0, 1])
    with pytest.raises(ValueError, match=message):
        aa1xr.spectrogram(ds, "gaussian", sounds=change(waveform)).compute()


def test_spectrogram__names_the_stimulus_for_which_a_function_fails(ds):
    longest = int(ds.n_samples.max())

    def late(samples, sample_rate):
        return envelope(samples, sample_rate)[:, : -1 if samples.size == longest else None]

    got = aa1xr.spectrogram(ds, late, **OWN)
    message = rf"stimulus '\w+-\d+': .* must return an array of shape \(3, \d+\) for {longest}"
    with pytest.raises(ValueError, match=message):
        got.compute()


# with_spectrogram


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.isel(time=slice(1, None)), "must have the bins of the Dataset"),
        (lambda s: s.assign_attrs(dt_ms=1.0), "must have the bins of the Dataset"),
        (lambda s: s.isel(stimulus=[0, 1]), "'conspecific-02' is missing"),
        (lambda s: s.isel(freq=slice(None, None, -1)), "ascending frequencies in Hz"),
        (lambda s: s.assign_coords(freq=list("abcd")), "ascending frequencies in Hz"),
        (lambda s: s.drop_vars("freq"), "no coordinate 'freq'"),
        (lambda s: s.isel(freq=0), "expected stimulus and freq and time among them"),
        (lambda s: s.expand_dims(ear=2), "one too many, 'ear'"),
        (lambda s: s.astype(int), "must be floats; got int"),
        (lambda s: s.assign_coords(name=s["name"][::-1].variable), "of other sounds"),
    ],
)
def test_with_spectrogram__refuses(ds, change, message):
    sound = aa1xr.spectrogram(ds, "gammatone", n_bands=4)
    with pytest.raises(ValueError, match=message):
        aa1xr.with_spectrogram(ds, change(sound))


def test_with_spectrogram__refuses_other_variables_along_freq(ds):
    sound = aa1xr.spectrogram(ds, "gammatone", n_bands=4)
    with pytest.raises(ValueError, match=r"drop them first: ds.drop_vars\(\['weight'\]\)"):
        aa1xr.with_spectrogram(ds.assign(weight=ds.freq), sound)


def test_with_spectrogram__orders_stimuli_by_label(ds):
    sound = aa1xr.spectrogram(ds, "gammatone", n_bands=4)
    got = aa1xr.with_spectrogram(ds, sound.isel(stimulus=slice(None, None, -1)))
    xr.testing.assert_identical(got.spectrogram, aa1xr.with_spectrogram(ds, sound).spectrogram)


def test_with_spectrogram__attributes_are_those_of_the_new_one(ds):
    got = aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, "gaussian"))
    gone = {"n_mels", "window_ms", "fmin", "fmax", "compression", "frames"}
    assert set(ds.attrs) - set(got.attrs) == gone
    assert list(got.data_vars) == list(ds.data_vars)
    assert "mel" not in got.freq.attrs["long_name"]
    assert "Gaussian spectrogram" in repr(got.aa1)
    again = aa1xr.with_spectrogram(got, aa1xr.spectrogram(got))
    xr.testing.assert_identical(again.spectrogram, ds.spectrogram)
    assert again.attrs == ds.attrs


# All that takes them


@pytest.fixture(scope="module")
def songs(sample_store):
    return aa1xr.open(sample_store).sel(type="conspecific", area="MLd")


@pytest.fixture(scope="module")
def replaced(songs):
    return [aa1xr.with_spectrogram(songs, each.compute()) for each in each_kind(songs)]


@pytest.fixture(scope="module")
def fits(replaced):
    return [fit(ds) for ds in replaced]


def fit(ds):
    train, validation, _ = aa1xr.split(ds, test=2, validation=2)
    return aa1xr.strf(ds, train=train, validation=validation, lags_ms=40).compute()


def test_predict__takes_the_kind_of_the_fit_alone(replaced, fits):
    for k, ds in enumerate(replaced):
        rate = aa1xr.predict(ds, fits[k])
        assert rate.notnull().any()
        assert definition(rate.attrs) == definition(ds.spectrogram.attrs) != {}
        for other in range(k):
            with pytest.raises(ValueError, match=r"bands \(freq\) of the spectrogram are not"):
                aa1xr.predict(replaced[other], fits[k])
            same_bands = fits[k].isel(freq=[0, 1]).assign_coords(freq=[1.0, 2.0])
            sound = replaced[other].isel(freq=[0, 1]).assign_coords(freq=[1.0, 2.0])
            with pytest.raises(ValueError, match=r"the fit has kind='\w+', the Dataset has kind="):
                aa1xr.predict(sound, same_bands)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("gaussian", {}, {"frames": "causal"}),
        ("gaussian", {}, {"floor_db": -90}),
        ("gaussian", {}, {"compression": "cubic"}),
        ("gaussian", {"bandwidth": 120}, {"bandwidth": 119.9}),
        ("gammatone", {"compression": "db"}, {"compression": "db", "floor_db": -70}),
        ("gammatone", {}, {"compression": "none"}),
        ("gammatone", {}, {"fmin": 251}),
    ],
)
def test_predict__refuses_other_parameters(songs, kind, one, other):
    first, second = (
        aa1xr.with_spectrogram(songs, aa1xr.spectrogram(songs, kind, **options))
        for options in (one, other)
    )
    second = second.assign_coords(freq=first.freq)
    fitted = fit(first.isel(freq=[0, 1]))
    with pytest.raises(ValueError, match="must have the spectrogram of the fit; the fit has"):
        aa1xr.predict(second.isel(freq=[0, 1]), fitted)


def test_predict__refuses_another_function_of_the_same_name(songs, replaced, fits):
    def doubled():
        def envelope(samples, sample_rate):
            return 2 * globals()["envelope"](samples, sample_rate)

        envelope.__qualname__ = "envelope"
        return envelope

    other = aa1xr.with_spectrogram(songs, aa1xr.spectrogram(songs, doubled(), **OWN))
    with pytest.raises(ValueError, match="the fit has fingerprint="):
        aa1xr.predict(other, fits[-1])
    same = aa1xr.with_spectrogram(songs, aa1xr.spectrogram(songs, envelope, **OWN))
    xr.testing.assert_equal(aa1xr.predict(same, fits[-1]), aa1xr.predict(replaced[-1], fits[-1]))


def test_tuning_and_plots__of_each_kind(replaced, fits):
    for ds, fitted in zip(replaced, fits, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedWarning)  # few neurons, short fields
            got = aa1xr.tuning(fitted)
        assert got.best_frequency.dropna("neuron").isin(ds.freq).all()
        neuron = fitted.neuron.values[0]
        assert "response (ms)" in aa1xr.plot.strf(fitted, neuron).get_xlabel()
        ax = aa1xr.plot.spectrogram(ds, "conspecific-00")
        bands = ax.collections[0].get_coordinates()[:, 0, 1]
        centres = ds.freq.values / 1000
        assert ((bands[:-1] < centres) & (centres < bands[1:])).all()
        assert (ax.get_yscale() == "linear") == (ds.spectrogram.attrs.get("kind", "mel") in
                                                 ("gaussian", "function"))  # fmt: skip
        aa1xr.plot.response(ds.sel(neuron=[neuron]), stimulus="conspecific-00")


def test_resample__of_each_kind(songs, sample_store):
    ds = songs.isel(stimulus=[0, 1])
    coarse = aa1xr.open(sample_store, dt_ms=20).sel(stimulus=ds.stimulus.values)
    for kind in ("gaussian", "gammatone"):
        fine = aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, kind, compression="db",
                                                            floor_db=-90))  # fmt: skip
        got = aa1xr.resample(fine, 20).spectrogram
        want = aa1xr.spectrogram(coarse, kind, compression="db", floor_db=-90)
        want = want.sel(time=got.time[:-1].values)
        np.testing.assert_allclose(got[..., :-1], want, atol=1e-3)
        assert got.attrs == want.attrs
    own = aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, envelope, **OWN))
    got = aa1xr.resample(own, 20).spectrogram
    assert (got.min(("stimulus", "time")) < 0).any()
    n = own.sizes["time"] // 4
    mean = own.spectrogram.values[..., : 4 * n].reshape(2, 3, n, 4).mean(3)
    np.testing.assert_allclose(got[..., :n], mean, rtol=1e-5, atol=1e-7)


def test_standardize_save_and_load__of_each_kind(replaced, fits, tmp_path):
    for k, (ds, fitted) in enumerate(zip(replaced, fits, strict=True)):
        scaled, scaling = aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))
        xr.testing.assert_allclose(scaling.undo(scaled), ds.spectrogram, atol=1e-4)
        aa1xr.save(ds, tmp_path / f"{k}.zarr")
        loaded = aa1xr.load(tmp_path / f"{k}.zarr")
        xr.testing.assert_identical(loaded.spectrogram.compute(), ds.spectrogram.compute())
        aa1xr.predict(loaded, fitted).compute()
        aa1xr.save(fitted, tmp_path / f"fit-{k}.zarr")
        loaded_fit = aa1xr.load(tmp_path / f"fit-{k}.zarr")
        xr.testing.assert_equal(aa1xr.predict(ds, loaded_fit), aa1xr.predict(ds, fitted))


def test_to_torch__of_each_kind(replaced):
    pytest.importorskip("torch")
    for ds in replaced:
        item = aa1xr.to_torch(ds)[0]
        sound = ds.spectrogram.isel(stimulus=0).transpose("freq", "time").values
        np.testing.assert_array_equal(item.spectrogram, sound[:, : item.spectrogram.shape[1]])


def test_benchmark__marks_another_spectrogram(sample_store, monkeypatch):
    monkeypatch.setattr("aa1xr.benchmark.models._LAGS_MS", (30,))
    ds = aa1xr.open(sample_store).sel(animal_id="sim0000")
    protocol = aa1xr.benchmark.PROTOCOLS["cv10"]
    protocol = dataclasses.replace(protocol, name="cv1", n_splits=1)
    for sound, marked in (
        (aa1xr.spectrogram(ds), None),
        (aa1xr.spectrogram(ds, "gammatone", n_bands=8), "gammatone"),
        (aa1xr.spectrogram(ds, envelope, **OWN), "function"),
        (aa1xr.spectrogram(ds, sounds=aa1xr.sounds(ds)), "custom"),
    ):
        other = aa1xr.with_spectrogram(ds, sound)
        result = aa1xr.benchmark.run(other, protocol, "ridge", areas=["MLd"])
        table = aa1xr.benchmark.table([result], published=False)
        assert result.attrs["spectrogram"] == ("custom" if marked else "protocol")
        assert ("ridge |" in table) == (marked is None)
        assert marked is None or f"ridge ({marked} spectrogram)" in table


# Latencies

DELAYS_MS = (14, 20, 45)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    return write_clicks(tmp_path_factory.mktemp("clicks") / "a.zip", DELAYS_MS)


@pytest.mark.parametrize(
    ("kind", "dt_ms", "options"),
    [
        ("gaussian", 2, {"fmin": 3000, "fmax": 5000}),
        ("gaussian", 5, {"frames": "causal"}),
        ("gaussian", 10, {}),
        ("gammatone", 2, {"n_bands": 8}),
        ("gammatone", 2, {"n_bands": 8, "fmax": 1000}),
        ("gammatone", 5, {"compression": "none"}),
        ("gammatone", 10, {}),
    ],
)
def test_tuning__latency_of_cells_that_answer_clicks(clicks, kind, dt_ms, options):
    ds = aa1xr.open(clicks, data_dir=clicks.parent, dt_ms=dt_ms)
    ds = aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, kind, **options))
    sounds = ds.stimulus.values
    fitted = aa1xr.strf(ds, train=sounds[:4], validation=sounds[4:], lags_ms=60).compute()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedWarning)  # clicks have all frequencies
        got = aa1xr.tuning(fitted)
    true = np.array(DELAYS_MS) / 1000
    assert np.abs(got.latency.values - true).max() <= max(dt_ms / 2000, 0.0015)
    assert (got.latency_min.values <= true).all()
    assert (got.latency_max.values >= true).all()


def energy(gain):
    def power(samples, rate):
        padded = np.pad(samples, (0, -samples.size % 160))
        band = gain * (padded**2).reshape(1, -1, 160).mean(2)
        return np.concatenate([band, 2 * band])

    return power


def test_predict__refuses_a_function_of_another_gain(ds):
    """Also where its values are small."""
    songs = ds.sel(type="conspecific", area="MLd").isel(neuron=slice(2))
    heard = [
        aa1xr.with_spectrogram(
            songs, aa1xr.spectrogram(songs, energy(gain), freq=[1, 2], frame_ms=(0, 5))
        )
        for gain in (1e-5, 1e-4)
    ]
    names = songs.stimulus.values
    fit = aa1xr.strf(heard[0], train=names[:4], validation=names[4:6], lags_ms=20)
    with pytest.raises(ValueError, match="fingerprint"):
        aa1xr.predict(heard[1], fit)


def test_spectrogram__refuses_functions_with_a_memory(ds):
    calls = []

    def forgetful(samples, rate):
        calls.append(samples)
        return energy(len(calls))(samples, rate)

    with pytest.raises(ValueError, match="must return the same values for the same sound"):
        aa1xr.spectrogram(ds, forgetful, freq=[1, 2])


WRONG_SOUNDS = {
    "of another archive": (
        lambda sounds: sounds.assign_coords(name=("stimulus", sounds["name"].values[::-1])),
        "their name differs",
    ),
    "as large integers": (lambda sounds: sounds * 2.0**15, r"must be in \[-1, 1\], or int16"),
    "cut by n_samples": (
        lambda sounds: sounds.assign_coords(n_samples=sounds.n_samples - 100),
        "n_samples of the waveforms must be duration_s times sample_rate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_SOUNDS)
def test_spectrogram__refuses_sounds(ds, what):
    change, words = WRONG_SOUNDS[what]
    with pytest.raises(ValueError, match=words):
        aa1xr.spectrogram(ds, "gammatone", sounds=change(aa1xr.sounds(ds).waveform)).compute()


def test_spectrogram__of_labels_that_are_objects(ds):
    """As those of a file are."""
    loaded = ds.assign_coords(stimulus=ds.stimulus.astype(object))
    found = aa1xr.spectrogram(loaded, energy(1), freq=[1, 2])
    expected = aa1xr.spectrogram(ds, energy(1), freq=[1, 2])
    np.testing.assert_array_equal(found, expected)
