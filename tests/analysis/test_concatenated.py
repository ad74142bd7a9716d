import numpy as np

from aa1xr.analysis import concatenated
from aa1xr.analysis.measures import drop_incomplete
from aa1xr.analysis.reliability import covariance, powers, repeated


def signal_power(counts):
    pairs = drop_incomplete(counts, np.ones(1, bool))
    within = powers(covariance(pairs), pairs.n_trials).signal
    return concatenated.signal_power(pairs, within, repeated(pairs.n_trials, pairs.n_bins))[:, 0]


def rates():
    return 0.2 + 0.15 * np.sin(np.arange(100) / 7) + np.array([[0.0], [0.3]])


def test_signal_power__is_unbiased_and_no_trial_is_dropped():
    rng = np.random.default_rng(1)
    true = rates()
    counts = rng.poisson(true[np.newaxis, :, np.newaxis], (400, 2, 12, 100)).astype(float)
    counts[:, 1, 3:] = np.nan
    every, few = signal_power(counts), signal_power(counts[:, :, :3])
    truth = np.var(true, ddof=1)
    for estimates in (every, few):
        assert abs(estimates.mean() - truth) < 4 * estimates.std() / 20
    assert every.std() < few.std()


def test_signal_power__with_equal_trials_is_that_of_the_matrix():
    """Sahani & Linden's formula for the matrix of trials by concatenated time."""
    rng = np.random.default_rng(2)
    counts = rng.poisson(rates()[np.newaxis, :, np.newaxis], (5, 2, 10, 100)).astype(float)
    # What trials have in common over stimuli is noise all the same: slow drift.
    counts += rng.poisson(0.5, (5, 1, 10, 1))
    for got, neuron in zip(signal_power(counts), counts, strict=True):
        r = np.concatenate(list(neuron), 1)
        expected = (10 * r.mean(0).var(ddof=1) - r.var(1, ddof=1).mean()) / 9
        np.testing.assert_allclose(got, expected, rtol=1e-10)
        stimuli = np.concatenate([neuron[0], neuron[1, np.roll(np.arange(10), 1)]], 1)
        other = (10 * stimuli.mean(0).var(ddof=1) - stimuli.var(1, ddof=1).mean()) / 9
        assert abs(other - expected) > 1e-6  # which trial belongs to which matters


def test_half_split__equal_trials_are_spearman_brown():
    rng = np.random.default_rng(3)
    counts = rng.poisson(rates()[np.newaxis, :, np.newaxis], (3, 2, 4, 100)).astype(float)
    pairs = drop_incomplete(counts, np.ones(1, bool))
    got = concatenated.half_split(pairs, pairs.n_bins, max_splits=100)[:, 0]
    for squared, neuron in zip(got, counts, strict=True):
        r = np.concatenate(list(neuron), 1)
        halves = [([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2])]
        c = np.mean([np.corrcoef(r[a].mean(0), r[b].mean(0))[0, 1] for a, b in halves])
        np.testing.assert_allclose(squared, 2 * c / (1 + c), rtol=1e-10)
