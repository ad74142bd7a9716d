"""Where torch is installed."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

import aa1xr
from aa1xr import cli
from aa1xr.benchmark import MODELS, PROTOCOLS, run

torch = pytest.importorskip("torch", reason="needs torch")

from aa1xr.benchmark import training  # noqa: E402
from aa1xr.benchmark.networks import CNN, GRU, Mamba, Transformer  # noqa: E402
from aa1xr.benchmark.training import Recipe, correlation, fit, loss, predict  # noqa: E402

KINDS = [GRU, Mamba, Transformer, CNN]
SHORT = Recipe(n_epochs=3)


@pytest.fixture(scope="module")
def fitted(ds, protocol):
    """What a model is given: songs of an area, one neuron of which heard none."""
    prepared = protocol.prepare(ds.sel(area="MLd"))
    split = protocol.splits(prepared)[0]
    known = prepared.sel(stimulus=[*split.train, *split.validation]).compute()
    return known, split, prepared.sel(stimulus=split.test)[["spectrogram"]]


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", KINDS)
def test_fit__is_the_same_for_the_same_seed_and_another_for_another(kind, fitted):
    known, split, _ = fitted
    state, n_threads = torch.get_rng_state(), torch.get_num_threads()
    first, again, other = (
        fit(kind, known, split, seed=seed, recipe=SHORT).state_dict() for seed in (0, 0, 1)
    )
    assert same(first, again)
    assert not same(first, other)
    # The user's own are left alone.
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads


@pytest.mark.parametrize(
    ("kind", "stop_after", "n_epochs"),
    [(kind, 1, None) for kind in KINDS] + [(GRU, 2, None), (GRU, 2, 3)],
)
def test_fit__goes_on_after_an_interruption(
    kind, stop_after, n_epochs, fitted, tmp_path, monkeypatch
):
    known, split, _ = fitted
    options = {"seed": 0, "recipe": SHORT, "n_epochs": n_epochs}
    whole = fit(kind, known, split, **options)
    checkpoint, epochs = tmp_path / "state", []
    run_epoch = training._Training.run_epoch

    def interrupted(self):
        if len(epochs) == stop_after:
            next(iter(self.batches))  # some way into it
            raise KeyboardInterrupt
        epochs.append(self.epoch)
        run_epoch(self)

    monkeypatch.setattr(training._Training, "run_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(kind, known, split, **options, checkpoint=checkpoint)
    stop_after = -1
    again = fit(kind, known, split, **options, checkpoint=checkpoint)
    assert epochs == [0, 1, 2]
    assert same(again.state_dict(), whole.state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_fit__refuses_a_checkpoint_of_something_else(fitted, tmp_path):
    known, split, _ = fitted
    fit(GRU, known, split, seed=0, recipe=Recipe(n_epochs=1), checkpoint=tmp_path / "state")
    with pytest.raises(
        ValueError, match=r"state is of GRU, seed 0, .* and this is GRU, seed 1, .*; remove"
    ):
        fit(GRU, known, split, seed=1, recipe=Recipe(n_epochs=1), checkpoint=tmp_path / "state")
    other = known.assign(psth=2 * known.psth)
    with pytest.raises(
        ValueError, match=r"state is of GRU, .* and this is GRU, .* data \w+; remove"
    ):
        fit(GRU, other, split, seed=0, recipe=Recipe(n_epochs=1), checkpoint=tmp_path / "state")


def test_fit__refuses_a_network_that_no_epoch_trained(fitted):
    class Diverges(GRU):
        def forward(self, spectrogram):
            return super().forward(spectrogram) * (math.nan if self.training else 1)

    known, split, _ = fitted
    with pytest.raises(ValueError, match=r"the network Diverges was not trained: .*finite corr"):
        fit(Diverges, known, split, seed=0, recipe=SHORT)


def test_fit__refuses_a_checkpoint_that_runs_code(fitted, tmp_path):
    known, split, _ = fitted
    ran, checkpoint = tmp_path / "ran", tmp_path / "state"

    class Runs:
        def __reduce__(self):
            return Path.touch, (ran,)

    torch.save({"label": Runs()}, checkpoint)
    with pytest.raises(ValueError, match=r"state must be a checkpoint .*Remove it"):
        fit(GRU, known, split, seed=0, recipe=Recipe(n_epochs=1), checkpoint=checkpoint)
    assert not ran.exists()


def test_fit__learns(fitted):
    known, split, sounds = fitted
    network = fit(GRU, known, split, seed=0, recipe=Recipe(n_epochs=15))
    heard = known.sel(stimulus=split.validation)
    rates = predict(network, heard).numpy()
    assert rates.shape == heard.psth.shape
    there = heard.psth[0].notnull().values
    assert np.corrcoef(rates[0][there], heard.psth[0].values[there])[0, 1] > 0.6
    assert predict(network, sounds).shape[1] == len(split.test)


def test_loss__neither_padding_nor_missing_pairs_count(fitted):
    known, split, _ = fitted
    songs = aa1xr.to_torch(known.sel(stimulus=split.train))
    items = list(songs)
    part = slice(items[0].mask.shape[-1] // 2)  # one that is much shorter
    items[0] = items[0]._replace(
        **{n: getattr(items[0], n)[..., part] for n in items[0]._fields[:3]}
    )
    batch = songs.collate(items)
    assert not batch.mask[:, 1].any()  # a neuron that heard none of them
    network = GRU(known.sizes["freq"], 2, dt_ms=5.0).eval()
    scale = torch.tensor([[2.0], [3.0]])
    rates = network(batch.spectrogram)
    rates.retain_grad()
    whole = loss(rates, batch.responses, batch.mask, scale)
    whole.backward()
    assert (rates.grad[~batch.mask] == 0).all()
    total, count = 0, 0
    for item in items:
        alone = network(item.spectrogram[None]).detach()[0, 0] - item.responses[0]
        total += float((alone[item.mask[0]] / 2).square().sum())
        count += int(item.mask[0].sum())
    assert whole.item() == pytest.approx(total / count, rel=1e-4)


def test_correlation__is_numpys_over_what_is_there():
    rng = np.random.default_rng(0)
    rates, responses = rng.gamma(1, 5, (2, 2, 3, 40))
    mask = rng.random((2, 3, 40)) < 0.7
    mask[:, 2] = False
    got = correlation(*map(torch.from_numpy, (rates, np.where(mask, responses, 0), mask)))
    for n in (0, 1):
        there = mask[:, n]
        expected = np.corrcoef(rates[:, n][there], responses[:, n][there])[0, 1]
        assert got[n] == pytest.approx(expected)
    assert got[2].isnan()


def test_correlation__of_constant_rates_is_zero():
    responses, mask = torch.rand(2, 3, 40), torch.ones(2, 3, 40, dtype=torch.bool)
    mask[:, 2] = False
    got = correlation(torch.full((2, 3, 40), 0.1), responses, mask)
    np.testing.assert_allclose(got, [0, 0, math.nan], atol=1e-6)
    assert correlation(responses, torch.ones(2, 3, 40), mask).isnan().all()
    saturated = 1 + 1.2e-7 * torch.randint(0, 3, (2, 3, 40))
    np.testing.assert_array_equal(correlation(saturated, responses, mask)[:2], 0)


def test_fit__stops_early_and_keeps_the_best(fitted, monkeypatch):
    known, split, _ = fitted
    scores = iter([0.1, 0.4, 0.3, 0.2, 0.9])
    states = []

    def score(*_):
        return torch.tensor([next(scores), math.nan])

    validate = training._Training.validate

    def watched(self, held_out):
        validate(self, held_out)
        states.append({k: v.clone() for k, v in self.average.module.state_dict().items()})

    monkeypatch.setattr(training, "correlation", score)
    monkeypatch.setattr(training._Training, "validate", watched)
    got = fit(GRU, known, split, seed=0, recipe=Recipe(n_epochs=9, patience=2))
    assert len(states) == 4
    assert got.n_epochs == 2
    assert same(got.state_dict(), states[1])
    assert not same(got.state_dict(), states[3])


def test_fit__a_refit_learns_from_validation_stimuli_for_so_many_epochs(fitted, monkeypatch):
    known, split, _ = fitted
    batches, run_epoch = [], training._Training.run_epoch

    def watched(self):
        batches.append(len(self.batches.dataset))
        run_epoch(self)

    monkeypatch.setattr(training._Training, "run_epoch", watched)
    refit = fit(GRU, known, split, seed=0, recipe=SHORT, n_epochs=2)
    assert batches == [len(split.train) + len(split.validation)] * 2
    assert refit.n_epochs == 2
    # Responses to validation stimuli change it, and with them nothing is chosen.
    silent = known.assign(psth=known.psth.where(~known.stimulus.isin(split.validation), 0))
    other = fit(GRU, silent, split, seed=0, recipe=SHORT, n_epochs=2)
    assert not same(refit.state_dict(), other.state_dict())


@pytest.fixture
def two_epochs(monkeypatch):
    monkeypatch.setattr(training, "Recipe", lambda: Recipe(n_epochs=2))


def test_benchmark__two_epochs_on_the_sample(
    two_epochs, sample_archive, tmp_path, capsys, monkeypatch
):
    protocol = dataclasses.replace(PROTOCOLS["rancon2025"], name="quick", dt_ms=5.0)
    monkeypatch.setitem(PROTOCOLS, "quick", protocol)
    command = ["benchmark", "--sample", "--protocol", "quick", "--area", "MLd"]
    assert cli.main([*command, "--model", "gru", "--out", str(tmp_path / "out")]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "| gru |" in line)
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[5:7] == ["176,465", "176,950"]  # 97 weights of the read-out for each neuron
    assert -100 < float(cells[7]) < 100
    assert row.endswith("| 5 of 6 |")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "gru-MLd-00-0",
        "zarr.json",
    ]


def test_run__goes_on_within_a_unit(ds, protocol, two_epochs, tmp_path, monkeypatch):
    one = dataclasses.replace(protocol, n_splits=1)
    whole = run(ds, one, "gru", areas=["MLd"])
    validate, seen = training._Training.validate, []

    def interrupted(self, held_out):
        if len(seen) == 1:
            seen.append(self.epoch)
            raise KeyboardInterrupt
        seen.append(self.epoch)
        validate(self, held_out)

    monkeypatch.setattr(training._Training, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(ds, one, "gru", areas=["MLd"], path=tmp_path / "out")
    assert (tmp_path / "out" / "gru-MLd-00-0.unfinished").exists()
    again = run(ds, one, "gru", areas=["MLd"], path=tmp_path / "out")
    assert seen == [1, 2, 2]
    np.testing.assert_array_equal(again.cc_norm, whole.cc_norm)
    assert whole.seconds.notnull().all()
    assert again.seconds.isnull().all()
    assert not (tmp_path / "out" / "gru-MLd-00-0.unfinished").exists()


def test_gru_ensemble__is_the_mean_of_networks_that_can_be_gone_on_from(
    fitted, two_epochs, tmp_path
):
    known, split, sounds = fitted
    alone = [MODELS["gru"](known, split, sounds, seed, None) for seed in range(5, 10)]
    for _ in range(2):  # the second time from what is finished
        got = MODELS["gru-ensemble"](known, split, sounds, 1, tmp_path / "state")
        np.testing.assert_allclose(got, np.mean(alone, 0), rtol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"state-{n}" for n in range(5, 10)]


def test_run__an_ensemble_leaves_nothing_unfinished(ds, protocol, two_epochs, tmp_path):
    one = dataclasses.replace(protocol, n_splits=1)
    run(ds, one, "gru-ensemble", areas=["MLd"], path=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "gru-ensemble-MLd-00-0",
        "zarr.json",
    ]


@pytest.mark.parametrize(("model", "n_fits"), [("ensemble", 3), ("ensemble-refit", 6)])
def test_ensemble__is_the_mean_of_kinds(model, n_fits, fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "Recipe", lambda: Recipe(n_epochs=1))
    known, split, sounds = fitted
    alone = []
    for kind in (GRU, Mamba, Transformer):
        network = fit(kind, known, split, seed=3)
        if model == "ensemble-refit":
            network = fit(kind, known, split, seed=3, n_epochs=network.n_epochs)
        alone.append(predict(network, sounds))
    for _ in range(2):  # the second time from what is finished
        got = MODELS[model](known, split, sounds, 3, tmp_path / "state")
        np.testing.assert_allclose(got, np.mean(alone, 0), rtol=1e-5)
    assert len(list(tmp_path.iterdir())) == n_fits
