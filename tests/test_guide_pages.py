"""Pages whose code runs in order: the results are those of other code."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import aa1xr
from tests.guide_pages import blocks, run_block, run_cells

pytestmark = [
    pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning"),  # some sample cells are silent
]


@pytest.fixture(scope="module")
def decoding(sample_archive):
    yield run_cells("decoding.md")
    plt.close("all")


def nearest(trials):
    """Which song each trial is nearest to, from the definition. (stimulus, trial)."""
    n_stimuli, n_trials, _ = trials.shape
    found = np.zeros((n_stimuli, n_trials), int)
    for s in range(n_stimuli):
        for k in range(n_trials):
            distances = []
            for other in trials:
                template = np.mean([t for j, t in enumerate(other) if j != k], 0)
                distances.append(((trials[s, k] - template) ** 2).sum())
            found[s, k] = np.argmin(distances)
    return found


def test_decoding__nearest_template(decoding):
    for neuron in ("sim0000_3_A", "sim0000_1_B"):
        trials = decoding["counts"].sel(neuron=neuron).values.astype(float)
        found = nearest(trials)
        expected = 100 * (found == np.arange(len(found))[:, None]).mean()
        # Equal distances may be rounded apart.
        np.testing.assert_allclose(decoding["correct"].sel(neuron=neuron), expected, atol=2)
        of_bin = decoding["by_width"].sel(neuron=neuron, bin_ms=5)
        np.testing.assert_allclose(of_bin, decoding["correct"].sel(neuron=neuron))


def test_decoding__refuses_missing_trials(decoding):
    trials = decoding["counts"].values[0].copy()
    trials[0, 0] = np.nan
    with pytest.raises(ValueError, match="a trial or a bin is missing"):
        decoding["decode"](trials)


def test_decoding__chance(decoding):
    rng = np.random.default_rng(1)
    trials = decoding["counts"].values[2]
    shuffled = decoding["shuffled"](trials, rng)
    assert sorted(map(bytes, shuffled.reshape(-1, 320))) == sorted(
        map(bytes, trials.reshape(-1, 320))
    )
    percent = [
        decoding["percent_correct"](decoding["decode"](decoding["shuffled"](trials, rng)))
        for _ in range(50)
    ]
    assert abs(np.mean(percent) - 10) < 2
    silent = decoding["decode"](np.zeros((10, 10, 3)))
    assert decoding["percent_correct"](silent) == 10
    assert len(decoding["p_values"]) == 11
    assert np.quantile(decoding["p_values"], 0.5) == 1 / 200


def test_decoding__information(decoding):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 5, (6, 6))
    joint = table / table.sum()
    entropies = [stats.entropy(p.ravel(), base=2) for p in (joint.sum(0), joint.sum(1), joint)]
    expected = entropies[0] + entropies[1] - entropies[2]
    np.testing.assert_allclose(decoding["information"](table), expected)
    # Where all errors are alike, the lower value is the information itself.
    alike = np.full((10, 10), 2.0) + np.diag(np.full(10, 30.0))
    at_least = decoding["least_information"]
    np.testing.assert_allclose(at_least(alike), decoding["information"](alike))
    assert at_least(np.eye(8)) == 3
    assert at_least(np.full((8, 8), 1)) == 0
    assert at_least(1 - np.eye(8)) == 0
    for matrix in decoding["confusion"].values:
        assert at_least(matrix) <= decoding["information"](matrix)


def test_decoding__pseudo_population(decoding):
    counts = decoding["early"].sel(area="MLd")
    joint = decoding["pseudo_population"](counts, 5, np.random.default_rng(0))
    n_bins = counts.sizes["time"]
    assert joint.shape == (10, 10, 5 * n_bins)

    # Each neuron has each of its trials once, for the same song, in an order of its own.
    def as_sets(trials):
        return [sorted(map(bytes, song)) for song in np.ascontiguousarray(trials)]

    blocks_ = [joint[..., k * n_bins : (k + 1) * n_bins] for k in range(5)]
    assert sorted(map(as_sets, blocks_)) == sorted(map(as_sets, counts.values))


def test_decoding__filtered_distance_is_van_rossums(decoding):
    other = run_block("other-tools.md", blocks("other-tools.md", "python")[0], {})
    (code,) = (each for each in blocks("other-tools.md", "python") if "def van_rossum" in each)
    van_rossum = run_block("other-tools.md", code, other)["van_rossum"]
    a, b = decoding["fine"].isel(stimulus=0, trial=[0, 1]).values
    fa, fb = decoding["filtered"][0, :2]  # the last tau, 80 ms
    times = [np.repeat(np.arange(1600), each.astype(int)) / 1000 for each in (a, b)]
    found = np.sqrt(((fa - fb) ** 2).sum() / 80)
    # The filtered trains are cut at the end of the window.
    np.testing.assert_allclose(found, van_rossum(*times, 0.080), rtol=0.03)


def test_decoding__distances(decoding):
    rng = np.random.default_rng(0)
    song = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    distances = rng.random((8, 8))
    expected = np.zeros((3, 3))
    for k in range(8):
        mean = {
            s: np.mean([distances[k, j] for j in range(8) if j != k and song[j] == s])
            for s in range(3)
        }
        expected[song[k], min(mean, key=mean.get)] += 1
    np.testing.assert_array_equal(decoding["decode_distances"](distances, song), expected)


@pytest.fixture(scope="module")
def statistics(sample_archive):
    return run_cells("statistics.md")


def test_statistics__poisson_interval(statistics):
    bounds, seconds = statistics["bounds"], statistics["seconds"]
    for neuron in bounds.neuron[bounds.n_spikes.notnull()].values:
        one, time = bounds.sel(neuron=neuron), float(seconds.sel(neuron=neuron))
        n = int(one.n_spikes)
        np.testing.assert_allclose(stats.poisson.cdf(n, float(one.high) * time), 0.025)
        if n:
            np.testing.assert_allclose(stats.poisson.sf(n - 1, float(one.low) * time), 0.025)
        else:
            assert one.low == 0
    missing = bounds.sel(neuron="sim0000_2_A")  # never presented
    assert missing.to_array().isnull().all()
    np.testing.assert_allclose(stats.chi2.ppf(0.975, 2) / 2 / 20, 0.18, atol=0.005)


def test_statistics__error_of_dprime(statistics):
    ds = aa1xr.open_sample()
    rates = (aa1xr.spike_counts(ds) / ds.duration_s).sel(neuron="sim0000_3_A").compute()
    every = ds.stimulus.values.tolist()

    def dprime(labels):
        a, b = ([*of.values[of.notnull().values]] for of in (
            rates.sel(stimulus=[x for x in labels if x.startswith(kind)])
            for kind in ("conspecific", "flatrip")
        ))  # fmt: skip
        return 2 * (np.mean(a) - np.mean(b)) / np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))

    without = np.array([dprime([x for x in every if x != left]) for left in every])
    n = len(every)
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    one = statistics["d"].sel(neuron="sim0000_3_A")
    np.testing.assert_allclose(one.sel(statistic="estimate"), dprime(every))
    np.testing.assert_allclose(one.sel(statistic="standard_error"), error)


def test_statistics__animals(statistics):
    table = aa1xr.neurons(aa1xr.open_sample(), quality=True)
    means = table.groupby(["animal_id", "area"])["snr"].mean().unstack()
    expected = (means["MLd"] - means["Field_L"]).dropna()
    np.testing.assert_allclose(statistics["difference"], expected)
    np.testing.assert_allclose(statistics["error"], expected.sem())


@pytest.mark.filterwarnings("ignore:::(?!aa1xr|tests)")
def test_statistics__mixed_model(sample_archive):
    pytest.importorskip("statsmodels")
    (code,) = (each for each in blocks("statistics.md", "python") if "mixedlm" in each)
    found = run_block("statistics.md", code, {"aa1xr": aa1xr, "ds": aa1xr.open_sample()})
    fit, table = found["fit"], found["table"]
    assert len(table) == 23  # a neuron was presented ripples only
    # The difference between types within neurons, in each area: paired differences.
    both = table.pivot_table("rate", ["area", "neuron"], "type").dropna()
    paired = both["flatrip"] - both["conspecific"]
    field_l, mld = paired["Field_L"], paired["MLd"]
    np.testing.assert_allclose(fit.params["type[T.flatrip]"], field_l.mean(), rtol=0.05)
    difference = fit.params["type[T.flatrip]:area[T.MLd]"]
    np.testing.assert_allclose(difference, mld.mean() - field_l.mean(), atol=0.5)


@pytest.mark.filterwarnings("default::DeprecationWarning:(?!aa1xr|tests)")
def test_training_loop__score_is_the_benchmarks(sample_archive):
    torch = pytest.importorskip("torch")
    names = {}
    n_threads = torch.get_num_threads()
    try:
        for code in blocks("training-loop.md", "python"):
            run_block("training-loop.md", code.replace("n_epochs=40", "n_epochs=8"), names)
    finally:
        torch.set_num_threads(n_threads)
    assert 0 < names["batch"].mask.float().mean() < 1
    result, same = names["result"], names["same"]
    # The last result is of a network that was trained again from the same seed.
    np.testing.assert_allclose(result.cc_norm.squeeze(), same, atol=0.02)
    assert result.cc_norm.mean() > 0.5
    assert result.causal.all()
    # Responses that the mask hides make no difference.
    batch, loss, unit = names["batch"], names["loss"], names["unit"]
    changed = batch._replace(responses=torch.where(batch.mask, batch.responses, 1e6))
    with torch.no_grad():
        assert loss(names["network"], batch, unit) == loss(names["network"], changed, unit)
    # CCnorm from its formula, for a neuron.
    prepared, split = names["prepared"], names["split"]
    one = prepared.sel(stimulus=split.test, neuron="sim0000_3_A")
    rates = names["prediction"].sel(neuron="sim0000_3_A").transpose("stimulus", "time")
    during = (one.time < one.duration_s).transpose("stimulus", "time").values
    trials = one.spikes.dropna("trial", how="all").transpose("trial", "stimulus", "time").values
    trials = trials[:, during].astype(float) / 0.005
    mean, n = trials.mean(0), len(trials)
    power = (n * mean.var(ddof=1) - trials.var(1, ddof=1).mean()) / (n - 1)
    p = rates.values[during]
    expected = np.cov(p, mean)[0, 1] / np.sqrt(p.var(ddof=1) * power)
    np.testing.assert_allclose(same.sel(neuron="sim0000_3_A"), expected, rtol=1e-4)
