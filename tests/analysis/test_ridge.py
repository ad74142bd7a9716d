import numpy as np
import pytest

from aa1xr.analysis.ridge import lagged_products, moments_of
from tests.analysis.linear_neurons import design


def moments(sound, rate, n_lags):
    sizes = dict(zip(("stimulus", "freq", "time"), sound.shape, strict=True))
    return moments_of(
        sound,
        rate,
        np.ones(rate.shape[2], bool),
        n_lags,
        silence=0.0,
        labels={dim: np.arange(size) for dim, size in sizes.items()},
        lowest=None,
    )


@pytest.mark.parametrize("n_lags", [1, 2, 5])
@pytest.mark.parametrize("start", [0, 1, 4])
def test_lagged_products__are_those_of_the_design_matrix(n_lags, start):
    rng = np.random.default_rng(start)
    parts, expected = [], 0
    for n_bins in (12, 7, 3):
        sound = rng.standard_normal((3, 20))
        rate = np.full((2, 1, 20), np.nan)
        rate[:, 0, start : start + n_bins] = rng.standard_normal((2, n_bins))
        part = moments(sound[np.newaxis], rate, n_lags)
        x = design(sound, n_lags)[start : start + n_bins]
        x = x.reshape(-1, 3, n_lags).swapaxes(1, 2).reshape(n_bins, -1)
        np.testing.assert_allclose(part.x.ravel(), x.sum(0))
        y = rate[:, 0, start : start + n_bins]
        np.testing.assert_allclose(part.xy.reshape(-1, 2), x.T @ y.T)
        expected = expected + x.T @ x
        parts.append(part)
    np.testing.assert_allclose(lagged_products(parts), expected, rtol=1e-10, atol=1e-10)


def test_moments__of_a_sound_that_nobody_heard():
    part = moments(np.ones((1, 3, 10)), np.full((2, 1, 10), np.nan), 4)
    assert part.n_bins == 0
    assert not part.heard.any()
    assert (part.x == 0).all()
