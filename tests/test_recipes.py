"""The recipes of the guide run, in the libraries and programs that are installed."""

import re
import shutil
import subprocess

import matplotlib.pyplot as plt
import numpy as np
import pytest

import aa1xr
from tests.guide_pages import CELL, blocks, run_block

SETUP, *RECIPES = blocks("other-tools.md", "python")
#: Of libraries, not of the recipes.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning"),
    pytest.mark.filterwarnings("default:::(?!aa1xr|tests)"),
]


@pytest.fixture(scope="module")
def ds(sample_archive):
    return aa1xr.open_sample()


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """What the block with some words defines."""

    def run(words):
        (found,) = (block for block in RECIPES if words in block)
        for module in re.findall(r"^(?:import|from) (\w+)", found, flags=re.MULTILINE):
            pytest.importorskip(module)
        names = {}
        for block in (SETUP, found):
            run_block("other-tools.md", block, names)
        return names

    monkeypatch.chdir(tmp_path)
    yield run
    plt.close("all")


def test_recipe__tables(recipe, ds, tmp_path):
    recipe("neurons.csv")
    assert len((tmp_path / "neurons.csv").read_text().splitlines()) == 13
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1776


def test_recipe__seaborn(recipe):
    found = recipe("seaborn")
    assert found["ax"].get_ylabel() == "snr"
    drawn = sum(len(points.get_offsets()) for points in found["ax"].collections)
    assert drawn == found["table"].snr.notna().sum()


def test_recipe__statsmodels(recipe, ds):
    fit = recipe("statsmodels")["fit"]
    assert fit.converged
    assert fit.nobs == 1775
    rates = (aa1xr.spike_counts(ds) / ds.duration_s).mean(["stimulus", "trial"])
    assert abs(fit.params["Intercept"] - float(rates.mean())) < 1


def test_recipe__pynapple(recipe, ds):
    found = recipe("pynapple")
    one = aa1xr.spike_counts(ds, start=-0.5, stop=2).sel(stimulus="conspecific-00")
    neuron = found["units"]["neuron"].iloc[0]
    assert sum(map(len, found["psth"].values())) == int(one.sel(neuron=neuron).sum())


def test_recipe__neo(recipe, ds):
    block = recipe("import neo\nimport quantities as pq\n\n\ndef")["block"]
    trials = aa1xr.trials(ds.sel(neuron="sim0000_3_A"), start=-2, stop=4)
    assert len(block.segments) == len(trials)
    assert [segment.spiketrains[0].size for segment in block.segments] == trials.n_spikes.tolist()
    assert block.annotations["area"] == "MLd"


def test_recipe__elephant(recipe, ds):
    found = recipe("elephant.kernels")
    one = ds.sel(neuron="sim0000_3_A", stimulus="conspecific-00")
    counts = aa1xr.spike_counts(one)
    assert found["rate"].shape == (6000,)
    during = found["rate"].magnitude[2000 : 2000 + round(one.duration_s.item() * 1000)].mean()
    expected = float(counts.mean()) / one.duration_s.item()
    np.testing.assert_allclose(during, expected, rtol=0.05)
    np.testing.assert_allclose(found["fano"], counts.var() / counts.mean(), rtol=1e-6)


def test_recipe__nemos(recipe):
    found = recipe("nemos")
    assert found["model"].coef_.shape == (6,)
    rate = np.asarray(found["model"].predict(found["features"][found["known"]]))
    np.testing.assert_allclose(rate.mean(), found["counts"][found["known"]].mean(), rtol=0.01)


def brute_force(one, other, cost):
    """The distance of Victor & Purpura, from its definition: every way to pair spikes in order."""
    best = len(one) + len(other)
    for i, t in enumerate(one):
        for j, u in enumerate(other):
            rest = brute_force(one[i + 1 :], other[j + 1 :], cost)
            best = min(best, i + j + cost * abs(t - u) + rest)
    return best


def test_recipe__distances(recipe):
    found = recipe("def victor_purpura")
    distance, filtered = found["victor_purpura"], found["van_rossum"]
    rng = np.random.default_rng(0)
    empty = np.zeros(0)
    time = np.arange(0, 20, 1e-4)
    for _ in range(5):
        one, other = (np.sort(rng.uniform(0, 1, rng.integers(0, 5))) for _ in "ab")
        np.testing.assert_allclose(distance(one, other, 3), brute_force(one, other, 3))
        traces = [
            sum((np.where(time >= t, np.exp(-(time - t)), 0) for t in train), 0 * time)
            for train in (one, other)
        ]
        integral = ((traces[0] - traces[1]) ** 2).sum() * 1e-4
        np.testing.assert_allclose(filtered(one, other, 1.0) ** 2, integral, atol=2e-3)
    assert distance(one, empty, 3) == len(one)
    assert distance(np.array([0.1]), np.array([0.9]), 100) == 2
    assert filtered(one, one, 0.01) == 0
    assert found["same"] < found["different"]


def test_recipe__distances_of_elephant(recipe):
    ours = recipe("def victor_purpura")
    pytest.importorskip("elephant")
    names = dict(ours)
    (block,) = (block for block in RECIPES if "elephant.spike_train_dissimilarity" in block)
    run_block("other-tools.md", block, names)
    trains = list(ours["trains"].values())
    pairs = [(a, b) for a in trains for b in trains]
    by_cost = [ours["victor_purpura"](a, b, 100) for a, b in pairs]
    by_tau = [np.sqrt(2) * ours["van_rossum"](a, b, 0.01) for a, b in pairs]
    np.testing.assert_allclose(np.ravel(names["by_cost"]), by_cost)
    np.testing.assert_allclose(np.ravel(names["by_tau"]), by_tau, atol=1e-6)


@pytest.fixture(scope="module")
def files(sample_archive, tmp_path_factory):
    """The folder with what the page writes."""
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks("matlab-r.md", CELL):
            run_block("matlab-r.md", block, {})
    return folder


def output(program, files, code, *, before=""):
    """What a block prints, in words."""
    name, *options = program
    if not shutil.which(name):
        pytest.skip(f"needs {name}")
    (script := files / f"script-{abs(hash(code))}.txt").write_text(before + code)
    done = subprocess.run(
        [name, *options, str(script)], cwd=files, capture_output=True, text=True, check=False
    )
    if done.returncode and re.search("ncdf4|package netcdf", done.stderr):
        pytest.skip(f"needs the netCDF package of {name}")
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


OCTAVE = ("octave-cli", "--no-init-file", "--quiet")
R = ("Rscript", "--vanilla")


def test_recipe__psth_in_octave(files, ds):
    code, *_ = blocks("matlab-r.md", "matlab")
    found = np.array(output(OCTAVE, files, code), float).ravel()
    one = ds.psth.sel(neuron="sim0000_3_A", stimulus="conspecific-00")
    # The last bin of histc is the last edge itself.
    np.testing.assert_allclose(found[:-1], one.values[: found.size - 1], atol=1e-4)


def rates(ds):
    return (aa1xr.spike_counts(ds).mean("trial") / ds.duration_s).compute()


def test_recipe__rates_in_octave(files, ds):
    _, code, _ = blocks("matlab-r.md", "matlab")
    found = output(OCTAVE, files, code)
    expected = [
        [area, f"{of.mean():.6f}", str(int(of.isnull().sum()))]
        for area, of in rates(ds).groupby("area")
    ]
    assert found == expected


def test_recipe__netcdf_in_octave(files, ds):
    *_, code = blocks("matlab-r.md", "matlab")
    shape, (mean,) = output(OCTAVE, files, code, before="pkg load netcdf\n")
    assert [int(size) for size in shape] == list(ds.psth.shape[::-1])
    np.testing.assert_allclose(float(mean), ds.psth.sel(area="MLd").mean(), rtol=1e-5)


def test_recipe__tables_in_r(files, ds):
    code, _ = blocks("matlab-r.md", "r")
    *areas, neurons = output(R, files, code)
    table = aa1xr.trials(ds.sel(type="conspecific"))
    rate = (table.n_spikes / table.duration_s).groupby([table.area, table.neuron], observed=True)
    of_neurons = rate.mean()
    for area, n, mean in areas:
        of_area = of_neurons.loc[area]
        assert int(n) == of_area.size
        np.testing.assert_allclose(float(mean), of_area.mean(), rtol=1e-6)
    assert neurons == ["neurons", "12", "1775", "0"]


def test_recipe__netcdf_in_r(files, ds):
    _, code = blocks("matlab-r.md", "r")
    shape, (mean, missing) = output(R, files, code)
    assert [int(size) for size in shape] == list(ds.psth.shape[::-1])
    np.testing.assert_allclose(float(mean), ds.psth.sel(area="MLd").mean(), rtol=1e-5)
    assert int(missing) == int(ds.psth.isnull().sum())
