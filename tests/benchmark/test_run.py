import dataclasses
import shutil
import time

import numpy as np
import pytest
import xarray as xr
import zarr

import aa1xr
from aa1xr.benchmark import MODELS, PROTOCOLS, run, score_prediction
from aa1xr.benchmark.causality import PROBES, with_probes
from aa1xr.benchmark.run import SCORES
from tests.analysis.small_datasets import refuse


@pytest.fixture
def guess(monkeypatch):
    """A model that needs no time; what it was called with."""
    calls = []

    def model(known, split, sounds, seed):
        calls.append((known, split, sounds, seed))
        power = sounds.spectrogram.sum("freq").expand_dims(neuron=known.neuron.values)
        noise = np.random.default_rng(seed).standard_normal(power.shape)
        return power + noise

    monkeypatch.setitem(MODELS, "guess", model)
    return calls


def test_run__ridge_comes_near_the_signal(ds, protocol):
    result = run(ds, protocol, "ridge")
    assert dict(result.sizes) == {"split": 2, "seed": 1, "stimulus_type": 1, "neuron": 4}
    assert result.attrs["model"] == "ridge"
    assert result.attrs["protocol"] == "cv2"
    assert result.attrs["source_sha256"] == ds.attrs["source_sha256"]
    songs = result.sel(neuron=["sim0000_1_B", "sim0000_1_A"])
    assert float(songs.cc_norm.min()) > 0.8
    assert result.cc_norm.sel(neuron="sim0000_2_A").isnull().all()
    assert result.sel(area="MLd").sizes["neuron"] == 2


def test_run__ridge_ln_beats_ridge_on_cells_with_a_nonlinearity(ds, protocol):
    one = dataclasses.replace(protocol, n_splits=1)
    linear, ln = (run(ds, one, name, areas=["MLd"]).cc_raw.mean() for name in ("ridge", "ridge-ln"))
    assert ln > linear


def test_run__records_the_processor_time_of_each_fit(ds, protocol, guess, monkeypatch, tmp_path):
    model = MODELS["guess"]

    def busy(known, split, stimuli, seed):
        end = time.process_time() + (0.05 if known.area[0] == "MLd" else 0)
        while time.process_time() < end:
            pass
        return model(known, split, stimuli, seed)

    monkeypatch.setitem(MODELS, "guess", busy)
    out = tmp_path / "results.zarr"
    result = run(ds, protocol, "guess", path=out)
    assert result.seconds.dims == ("split", "seed", "neuron")
    assert result.seconds.attrs["units"] == "s"
    of_area = result.seconds.groupby("area")
    xr.testing.assert_equal(of_area.min().variable, of_area.max().variable)
    assert float(result.sel(area="MLd").seconds.min()) >= 0.05
    assert float(result.seconds.min()) > 0
    saved = aa1xr.load(out / "guess-MLd-01-0").seconds
    assert saved.dims == ()
    assert float(saved) == float(result.sel(area="MLd").seconds[1, 0, 0])


def test_run__a_folder_without_times_is_read(ds, protocol, guess, tmp_path):
    out = tmp_path / "results.zarr"
    result = run(ds, protocol, "guess", path=out)
    unit = aa1xr.load(out / "guess-MLd-01-0").compute()
    unit = unit.drop_vars(["seconds", "parameters", "parameters_one_output"])
    shutil.rmtree(out / "guess-MLd-01-0")
    aa1xr.save(unit, out / "guess-MLd-01-0")
    again = run(ds, protocol, "guess", path=out)
    untimed = (again.split == 1) & (again.area == "MLd")
    xr.testing.assert_identical(again, result.assign(seconds=result.seconds.where(~untimed)))


def test_run__a_model_never_sees_test_responses(ds, protocol, guess):
    run(ds, protocol, "guess", seeds=[3])
    assert len(guess) == 4
    for known, split, sounds, seed in guess:
        assert seed == 3
        assert set(known.stimulus.values) == {*split.train, *split.validation}
        assert list(sounds.data_vars) == ["spectrogram"]
        assert set(sounds.stimulus.values) == {*split.test, *PROBES}
        assert len(set(known.area.values)) == 1


def test_run__a_model_gains_nothing_by_a_neuron_that_it_gives_up(ds, protocol):
    def some(known, split, stimuli, constant=("sim0000_1_B", "sim0000_2_A")):
        sound = stimuli.spectrogram.mean("freq") * known.neuron.notnull()
        return sound.where(~known.neuron.isin(constant), 0.1)

    result = run(ds, protocol, some)
    every = run(ds, protocol, lambda *parts: some(*parts, constant=[]))
    given_up = result.neuron == "sim0000_1_B"
    for name in SCORES:
        # What has no score has none from any model: the songs that a neuron did not hear.
        xr.testing.assert_identical(result[name], every[name].where(~given_up, 0.0))
    of_prediction = score_prediction(ds, 0 * ds.psth.fillna(0).expand_dims(split=2), protocol)
    for name in SCORES:
        np.testing.assert_array_equal(of_prediction[name], 0 * every[name])


@pytest.mark.parametrize("undefined", [np.nan, np.inf])
def test_run__scores_0_where_a_model_predicts_no_rate(ds, protocol, undefined):
    def some(known, split, stimuli, neuron="sim0000_1_B"):
        sound = stimuli.spectrogram.mean("freq") * known.neuron.notnull()
        return sound.where((known.neuron != neuron) | (sound.time > 0.1), undefined)

    one = dataclasses.replace(protocol, n_splits=1)
    with pytest.warns(
        aa1xr.UndefinedWarning, match=r"some' predicts NaN .* 1 neuron \('sim0000_1_B"
    ):
        result = run(ds, one, some)
    every = run(ds, one, lambda *parts: some(*parts, neuron=""))
    for name in SCORES:
        given_up = result.neuron == "sim0000_1_B"
        xr.testing.assert_identical(result[name], every[name].where(~given_up, 0.0))


def test_run__tests_each_type_by_itself(ds, protocol, guess):
    both = dataclasses.replace(protocol, types=("conspecific", "flatrip"))
    result = run(ds, both, "guess")
    assert result.stimulus_type.values.tolist() == ["conspecific", "flatrip"]
    silent = result.cc_norm.sel(neuron="sim0000_2_A").isnull().all(["split", "seed"])
    assert silent.values.tolist() == [True, False]


def test_run__of_a_mixture_has_one_score_over_all_test_stimuli(ds, protocol, guess):
    mixture = dataclasses.replace(
        protocol, types=("conspecific", "flatrip"), held_out=0.2, validation=0.1, together=True
    )
    result = run(ds, mixture, "guess", seeds=[0, 7])
    assert result.stimulus_type.values.tolist() == ["all"]
    # A seed draws the split and the first weights.
    assert [seed for *_, seed in guess] == [0, 7, 1, 8] * 2
    prepared = mixture.prepare(ds)
    area = prepared.sel(area="MLd")
    for k, split in enumerate(mixture.splits(area)):
        assert [part.size for part in split] == [10, 2, 3]
        known = area.sel(stimulus=[*split.train, *split.validation])
        sounds = area.sel(stimulus=split.test)
        rate = MODELS["guess"](known, split, with_probes(sounds[["spectrogram"]])[0], k)
        # Correlations do not change, and a rate must not be negative.
        rate = (rate - rate.min()).drop_attrs().sel(stimulus=split.test)
        expected = aa1xr.score(sounds, rate).compute()
        got = result.sel(split=k, seed=0, stimulus_type="all", neuron=area.neuron)
        for name in SCORES:
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-9)


def test_run__goes_on_after_an_interruption(ds, protocol, guess, monkeypatch, tmp_path):
    protocol = dataclasses.replace(protocol, n_splits=1)
    whole = run(ds, protocol, "guess", seeds=[0, 1])
    model, out = MODELS["guess"], tmp_path / "results.zarr"
    guess.clear()

    def interrupted(known, split, stimuli, seed):
        if len(guess) == 2:
            raise KeyboardInterrupt
        return model(known, split, stimuli, seed)

    monkeypatch.setitem(MODELS, "guess", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(ds, protocol, "guess", seeds=[0, 1], path=out)
    monkeypatch.setitem(MODELS, "guess", model)
    again = run(ds, protocol, "guess", seeds=[0, 1], path=out)
    assert len(guess) == 4
    xr.testing.assert_identical(again.drop_vars("seconds"), whole.drop_vars("seconds"))
    monkeypatch.setitem(MODELS, "guess", refuse)
    xr.testing.assert_identical(run(ds, protocol, "guess", seeds=[0, 1], path=out), again)
    assert zarr.open_group(out, mode="r").attrs["protocol_dt_ms"] == 5
    assert aa1xr.load(out / "guess-MLd-00-1").cc_norm.sizes["neuron"] == 2


def test_run__in_parts_that_share_a_folder(ds, protocol, guess, monkeypatch, tmp_path):
    """As the jobs of an array do."""
    whole = run(ds, protocol, "guess", seeds=[0, 1])
    out = tmp_path / "results.zarr"
    for split, area in [(1, "MLd"), (0, "Field_L"), (1, "Field_L"), (0, "MLd")]:
        part = aa1xr.sel(ds, area=area)
        result = run(part, protocol, "guess", seeds=[0, 1], splits=[split, split], path=out)
        expected = whole.sel(split=[split], neuron=part.neuron)
        xr.testing.assert_identical(result.drop_vars("seconds"), expected.drop_vars("seconds"))
    monkeypatch.setitem(MODELS, "guess", refuse)
    again = run(ds, protocol, "guess", seeds=[0, 1], path=out)
    xr.testing.assert_identical(again.drop_vars("seconds"), whole.drop_vars("seconds"))
    with pytest.raises(
        ValueError, match=r"splits must be at most 1: the splits of protocol .* got"
    ):
        run(ds, protocol, "guess", splits=[2])


def test_run__refuses_a_folder_of_other_results(ds, protocol, guess, tmp_path):
    run(ds, protocol, "guess", path=tmp_path / "a.zarr")
    other = dataclasses.replace(protocol, smooth_ms=31.0)
    with pytest.raises(ValueError, match=r"protocol_smooth_ms=21.0, and this is 31.0"):
        run(ds, other, "guess", path=tmp_path / "a.zarr")


def test_run__on_a_cluster(ds, protocol, guess):
    distributed = pytest.importorskip("distributed")
    expected = run(ds, protocol, "guess", areas=["MLd"])
    with distributed.Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        result = run(ds, protocol, "guess", areas=["MLd"])
        scores = [each.drop_vars("seconds") for each in (result, expected)]
        xr.testing.assert_allclose(*scores)
        assert client.run(len, guess).popitem()[1] == 4


def test_score_prediction__of_the_psth(ds, protocol):
    prepared = protocol.prepare(ds)
    prediction = prepared.psth.expand_dims(split=2)
    result = score_prediction(ds, prediction, protocol)
    np.testing.assert_allclose(result.cc_raw.sel(neuron="sim0000_1_A"), 1, rtol=1e-6)
    assert dict(result.sizes) == {"split": 2, "seed": 1, "stimulus_type": 1, "neuron": 4}
    some = score_prediction(ds, prediction.isel(neuron=[3, 0]), protocol)
    xr.testing.assert_allclose(some.isel(neuron=[0]), result.isel(neuron=[0]))
    assert some.cc_raw.isel(neuron=[1, 2]).isnull().all()
    assert some.sel(area="MLd").sizes["neuron"] == 2


def test_score_prediction__one_split_needs_no_axis(ds):
    protocol = dataclasses.replace(PROTOCOLS["rancon2025"], dt_ms=5.0)
    assert score_prediction(ds, ds.psth, protocol).sizes["split"] == 1


def test_score_prediction__a_prediction_with_gaps_has_no_score(ds, protocol):
    prediction = protocol.prepare(ds).psth.expand_dims(split=2).copy(deep=True).compute()
    prediction[:, 1, :, 50] = np.nan
    with pytest.warns(
        aa1xr.UndefinedWarning, match=r"aa1xr\.benchmark: .*is NaN in bins that have"
    ):
        result = score_prediction(ds, prediction, protocol)
    expected = score_prediction(ds, prediction.isel(neuron=[0, 2, 3]), protocol)
    assert result.cc_raw.isel(neuron=1).isnull().all()
    rest = result.isel(neuron=[0, 2, 3])
    xr.testing.assert_allclose(rest, expected.isel(neuron=[0, 2, 3]))


def test_score_prediction__is_that_of_score(ds, protocol):
    """The benchmark has no score of its own."""
    prepared = protocol.prepare(ds)
    rate = prepared.psth + prepared.psth.shift(time=2).fillna(0)
    result = score_prediction(ds, rate.expand_dims(split=2), protocol)
    for k, split in enumerate(protocol.splits(prepared)):
        test = prepared.sel(stimulus=split.test)
        rate_of_test = rate.where(prepared.psth.notnull(), 0)
        expected = aa1xr.score(test, rate_of_test)[list(result.data_vars)].compute()
        for name, scores in result.isel(split=k, seed=0, stimulus_type=0).items():
            np.testing.assert_allclose(scores, expected[name], rtol=1e-9)


def test_run__says_whose_spectrogram_it_was(ds, protocol, guess, tmp_path):
    out = tmp_path / "results.zarr"
    ds = ds.sel(area="MLd")
    of_protocol = run(ds, protocol, "guess", path=out).attrs
    assert of_protocol["spectrogram"] == "protocol"
    assert of_protocol["protocol_n_mels"] == 32
    sound = ds.spectrogram
    for foreign in (
        sound.copy(data=sound.values).drop_attrs(),
        sound.assign_attrs(compression="none"),
        xr.DataArray(sound.values, sound.coords, sound.dims, attrs={"units": "dB"}),
    ):
        other = ds.assign(spectrogram=foreign.variable)
        attrs = run(other, protocol, "guess").attrs
        assert attrs["spectrogram"] == "custom"
        assert not [name for name in attrs if name in ("protocol_n_mels", "protocol_compression")]
        with pytest.raises(ValueError, match="choose another folder"):
            run(other, protocol, "guess", path=out)
    assert attrs["spectrogram_units"] == "dB"
    scored = score_prediction(ds, protocol.prepare(ds).psth.expand_dims(split=2), protocol).attrs
    assert scored["spectrogram"] == "unknown"
    assert "protocol_n_mels" not in scored
