import numpy as np
import pytest
import xarray as xr

from aa1xr.benchmark import compare, run


def made(values, neurons=("n0", "n1", "n2"), **attrs):
    """A result; values [shape: (split, seed, neuron)]."""
    dims = ("split", "seed", "stimulus_type", "neuron")
    return xr.Dataset(
        {"cc_norm": (dims, np.asarray(values)[:, :, np.newaxis])},
        {
            "neuron": list(neurons),
            "split": range(len(values)),
            "stimulus_type": ["conspecific"],
            "area": ("neuron", ["MLd"] * len(neurons)),
        },
        {"protocol": "p", "protocol_dt_ms": 5.0, "model": "m"} | attrs,
    )


def test_compare__is_paired_over_splits_and_neurons():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 1, (4, 3, 3)), rng.uniform(0, 1, (4, 2, 3))
    first[1, :, 2] = second[3, :, 0] = np.nan
    # The second result has its neurons in another order, and one more.
    order = [2, 0, 1]
    other = np.concatenate([second[..., order], rng.uniform(0, 1, (4, 2, 1))], 2)
    b = made(other, [f"n{k}" for k in (*order, 9)], model="other")
    got = compare(made(first), b)
    expected = first.mean(1) - second.mean(1)
    np.testing.assert_allclose(got.difference[:, 0].sel(neuron=["n0", "n1", "n2"]), expected)
    assert got.neuron.values.tolist() == ["n0", "n1", "n2"]
    for name, scores in (("score_a", first), ("score_b", second)):
        mean = np.nanmean(np.where(np.isnan(expected), np.nan, scores.mean(1)), 0)
        np.testing.assert_allclose(got[name][0], mean)
    np.testing.assert_allclose(got.score_a - got.score_b, got.difference.mean("split"))
    assert got.attrs == {"model_a": "m", "model_b": "other", "score": "cc_norm", "protocol": "p"}
    assert got.area.values.tolist() == ["MLd"] * 3


def test_compare__of_results_of_run(ds, protocol):
    a, b = (run(ds, protocol, name, areas=["MLd"]) for name in ("ridge-ln", "ridge"))
    got = compare(a, b, score="cc_raw").difference
    xr.testing.assert_allclose(got, (a.cc_raw - b.cc_raw).mean("seed"))
    assert got.dims == ("split", "stimulus_type", "neuron")


def test_compare__refuses_splits_of_other_sounds(ds, protocol):
    songs = ds["stimulus"].values[ds["type"] == "conspecific"]
    ds = ds.sel(area="MLd")
    fewer = run(ds.drop_sel(stimulus=songs[-1]), protocol, "ridge")
    with pytest.raises(ValueError, match="must have the same splits_sha256"):
        compare(run(ds, protocol, "ridge"), fewer)


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (made(np.ones((2, 1, 3)), protocol="q"), "the same protocol; got 'p' and 'q'"),
        (made(np.ones((2, 1, 3)), protocol_dt_ms=1.0), "same protocol_dt_ms; got 5.0 and 1.0"),
        (made(np.ones((3, 1, 3))), r"same split; got \[0, 1\] and \[0, 1, 2\]"),
        (made(np.ones((2, 1, 3)), "abc"), "must share neurons"),
        (made(np.ones((2, 1, 3))).isel(seed=0), "b must have the dimension 'seed'"),
        (made(np.ones((2, 1, 3)))[[]], "b has no variable 'cc_norm'"),
    ],
)
def test_compare__refuses_what_is_not_paired(b, message):
    with pytest.raises(ValueError, match=message):
        compare(made(np.ones((2, 1, 3))), b)
