"""Models of others: functions, estimators, networks, by name and by place."""

import importlib
import pickle
import sys
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
import scipy.signal
import xarray as xr

import aa1xr
import aa1xr.cli
from aa1xr.benchmark import check_model, run, table
from aa1xr.benchmark.external import find_model
from aa1xr.errors import AA1Warning

#: A module of a user. {scale} is changed by a test; {helper} is in another file of it.
MODULE = """
from my_helper import power

SCALE = {scale}


def rates(known, split, stimuli):
    return SCALE * power(stimuli).expand_dims(neuron=known.neuron.values)


class Mean:
    def fit(self, x, y):
        self.mean = y.mean(0)
        return self

    def predict(self, x):
        return x.sum(1)[:, None] + self.mean
"""
HELPER = """
def power(stimuli):
    return stimuli.spectrogram.sum("freq")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes the module and imports it."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions within one second

    def write(scale=1, helper=HELPER):
        (folder / "my_model.py").write_text(MODULE.format(scale=scale))
        (folder / "my_helper.py").write_text(helper)
        for name in ("my_model", "my_helper"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("my_model")

    yield write
    for name in ("my_model", "my_helper"):
        sys.modules.pop(name, None)


@pytest.fixture
def registered(monkeypatch):
    """A function that makes an entry point the only one, by its name and place."""

    def register(name, place):
        entry = EntryPoint(name, place, "aa1xr.models")
        monkeypatch.setattr(
            "aa1xr.benchmark.external.entry_points",
            lambda group, **name: EntryPoints([entry]).select(group=group, **name),
        )

    return register


def later(known, split, stimuli):
    """Of the sound one bin later."""
    power = stimuli.spectrogram.sum("freq").shift(time=-1, fill_value=0)
    return power.expand_dims(neuron=known.neuron.values)


def test_run__a_function_by_its_place(ds, protocol, module):
    given = module()
    result = run(ds, protocol, "my_model:rates", areas=["MLd"])
    assert result.attrs["model"] == "my_model:rates"
    same = run(ds, protocol, given.rates, areas=["MLd"])
    xr.testing.assert_equal(result.drop_vars("seconds"), same.drop_vars("seconds"))
    assert result.causal.all()
    assert float(result.cc_raw.mean()) > 0.1


def test_run__an_estimator_is_linear_regression(ds, protocol):
    """Against the normal equations of one neuron, with lags made by hand."""

    class LeastSquares:
        def fit(self, x, y):
            self.weights = np.linalg.lstsq(x.T @ x + np.eye(x.shape[1]), x.T @ y)[0]

        def predict(self, x):
            return x @ self.weights

    prepared = protocol.prepare(ds.sel(area="MLd")).compute()
    split = protocol.splits(prepared)[0]
    known = prepared.sel(stimulus=[*split.train, *split.validation])
    stimuli = prepared.sel(stimulus=split.test)[["spectrogram"]]
    found = find_model(LeastSquares()).predict(known, split, stimuli, 0, None)
    heard = (known.n_trials > 0).all("stimulus").values
    assert np.isnan(found.values[~heard]).all()
    neuron = found.neuron.values[heard][0]

    def rows(of):
        sound = of.spectrogram.transpose("stimulus", "time", "freq").values
        lagged = [
            np.pad(sound, ((0, 0), (lag, 0), (0, 0)))[:, : sound.shape[1]] for lag in range(20)
        ]
        return np.concatenate(lagged, 2)

    rate = known.psth.sel(neuron=neuron).transpose("stimulus", "time").values
    x, y = rows(known)[~np.isnan(rate)].astype(float), rate[~np.isnan(rate)]
    weights = np.linalg.solve(x.T @ x + np.eye(640), x.T @ y)
    np.testing.assert_allclose(found.sel(neuron=neuron), rows(stimuli) @ weights, atol=0.05)


def test_run__an_installed_model(ds, protocol, module, registered):
    module()
    registered("theirs", "my_model:Mean")
    assert run(ds, protocol, "theirs", areas=["MLd"]).attrs["model"] == "theirs"
    with pytest.raises(ValueError, match=r"'gru'.*'theirs'"):
        find_model("others")


def test_find_model__an_installed_model_with_a_name_of_ours(module, registered):
    registered("ridge", "my_model:Mean")
    with pytest.warns(AA1Warning, match=r"model='ridge' is the model of aa1xr, .*give 'my_model:M"):
        assert find_model("ridge").is_builtin
    with pytest.raises(ValueError, match="'ridge'") as error:
        find_model("others")
    assert str(error.value).count("'ridge'") == 1


def test_find_model__an_installed_model_that_cannot_be_imported(registered):
    registered("theirs", "no_such_module:Mean")
    with pytest.raises(ValueError, match=r"model='no_such_module:Mean' must be .*cannot be import"):
        find_model("theirs")


@pytest.mark.parametrize("lacks", ["fit", "predict"])
def test_find_model__an_estimator_that_lacks_a_method(lacks):
    class Half: ...

    has = {"fit": "predict", "predict": "fit"}[lacks]
    setattr(Half, has, lambda self, *parts: None)
    for model in (Half, Half()):
        with pytest.raises(TypeError, match=rf"Half' has {has}, but no {lacks}"):
            find_model(model)


def test_find_model__a_function_with_a_method_fit():
    class Mine:
        def fit(self, known): ...
        def __call__(self, known, split, stimuli): ...

    assert find_model(Mine()).name.endswith("Mine")


@pytest.mark.parametrize("place", ["my_model:rates [extra]", "my_model : rates"])
def test_find_model__any_way_to_write_an_entry_point(place, module, registered):
    module()
    registered("theirs", place)
    assert find_model("theirs").model is sys.modules["my_model"].rates


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{}['gain']", "KeyError: gain; in the model 'faulty:rates', faulty.py line 2; `aa1xr"),
        ("assert False", "AssertionError: ; in the model"),
        ("raise ValueError", "error: ValueError; in the model"),
        ("return [1]", "error: the model 'faulty:rates' must return rates"),
    ],
)
def test_benchmark__describes_an_error_of_a_model(line, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "faulty.py").write_text(f"def rates(known, split, stimuli):\n    {line}\n")
    monkeypatch.chdir(tmp_path)
    assert aa1xr.cli.main(["benchmark", "--sample", "--model", "faulty:rates"]) == 1
    sys.modules.pop("faulty")
    error = capsys.readouterr().err
    assert words in error
    assert error.count("in the model") <= 1


def test_run__a_causal_model_that_rounds(ds, protocol):
    """In single precision, a convolution by FFT leaves rounding before the sound."""

    def convolved(known, split, stimuli):
        sound = stimuli.spectrogram.sum("freq").transpose("stimulus", "time").values
        kernel = np.exp(-np.arange(20) / 5).astype(np.float32)
        rates = scipy.signal.fftconvolve(sound, kernel[np.newaxis], axes=1)[:, : sound.shape[1]]
        return np.stack([np.maximum(rates, 0)] * known.sizes["neuron"])

    assert run(ds, protocol, convolved, areas=["MLd"]).causal.all()


def test_run__an_error_says_of_which_model_and_where(ds, protocol, tmp_path, monkeypatch, capsys):
    (tmp_path / "faulty.py").write_text(
        "def rates(known, split, stimuli):\n    return [][known.sizes['neuron']]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert aa1xr.cli.main(["benchmark", "--sample", "--model", "faulty:rates"]) == 1
    sys.modules.pop("faulty")
    assert "list index out of range; in the model 'faulty:rates', faulty.py line 2" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("change", ["scale", "helper"])
def test_run__a_changed_model_reuses_nothing(ds, protocol, module, tmp_path, change):
    def score():
        return run(ds, protocol, "my_model:rates", areas=["MLd"], path=tmp_path / "out")

    module()
    first = score()
    module()
    assert find_model("my_model:rates").key == find_model("my_model:rates").key
    xr.testing.assert_identical(score(), first)
    assert len(list((tmp_path / "out").glob("my_model*"))) == 2
    module(**{"scale": {"scale": -1}, "helper": {"helper": HELPER.replace("sum", "max")}}[change])
    assert not score().cc_raw.equals(first.cc_raw)
    assert len(list((tmp_path / "out").glob("my_model*"))) == 4


def test_run__the_state_of_an_estimator_counts():
    class Model:
        def __init__(self, alpha):
            self.alpha = alpha

        def fit(self, x, y): ...
        def predict(self, x): ...

    one, same, other = (find_model(Model(alpha)) for alpha in (1, 1, 2))
    assert one.key == same.key != other.key
    assert one.name == other.name


def test_entrant__travels_without_its_files(module):
    """As to a worker of a cluster, which has no such module."""
    pickled = pickle.dumps(find_model(module().rates))
    sys.modules.pop("my_model")
    sys.modules.pop("my_helper")
    sys.path_importer_cache.clear()
    path, sys.path[:] = sys.path[:], [p for p in sys.path if "models" not in p]
    try:
        stimuli = xr.Dataset({"spectrogram": (("freq", "time"), np.ones((2, 3)))})
        assert pickle.loads(pickled).model.__globals__["power"](stimuli).values.tolist() == [2] * 3
    finally:
        sys.path[:] = path


def test_run__an_own_model_on_a_cluster(ds, protocol, module):
    distributed = pytest.importorskip("distributed")
    expected = run(ds, protocol, module().rates, areas=["MLd"])
    with distributed.Client(n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        client.run(
            lambda: sys.path.__setitem__(slice(None), [p for p in sys.path if "models" not in p])
        )
        result = run(ds, protocol, "my_model:rates", areas=["MLd"])
    xr.testing.assert_allclose(result.drop_vars("seconds"), expected.drop_vars("seconds"))


def test_run__marks_models_that_are_not_causal(ds, protocol):
    result = run(ds, protocol, later, areas=["MLd"])
    assert not result.causal.any()
    assert "| later (not causal) | MLd |" in table([result], published=False)
    assert "not causal" not in table([run(ds, protocol, areas=["MLd"])], published=False)


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("nothing", ValueError, "model='nothing'; expected one of 'ridge', 'ridge-ln', 'gru'"),
        ("no_such_module:model", ValueError, "cannot be imported: ModuleNotFoundError"),
        ("aa1xr.benchmark:nothing", ValueError, "cannot be imported: AttributeError"),
        (3, TypeError, "is int; expected a function"),
        (lambda known: known, TypeError, r"must be a function \(known, split, stimuli\)"),
        (lambda known, split, stimuli, alpha: 0, TypeError, "a required argument: 'alpha'"),
        (
            lambda known, split, stimuli: None,
            ValueError,
            r"must return rates .*got NoneType of shape",
        ),
        (
            lambda known, split, stimuli: known.psth.values,
            ValueError,
            r"got ndarray of shape \(2, 8,",
        ),
        (lambda known, split, stimuli: known.psth[..., 0], ValueError, "with the dimensions"),
        (lambda known, split, stimuli: known.psth, ValueError, "without stimulus 'conspecific-"),
        (
            lambda known, split, stimuli: later(known, split, stimuli).drop_vars("neuron"),
            ValueError,
            "without the coor",
        ),
    ],
)
def test_run__says_what_is_wrong_with_a_model(ds, protocol, model, error, words):
    with pytest.raises(error, match=words):
        run(ds, protocol, model, areas=["MLd"])


def test_check_model__of_models_that_are_right():
    check = check_model("ridge")
    assert check[:5] == ("ridge", (5, 5, 434), True, False, True)
    assert check.correlation > 0.5

    def noise(known, split, stimuli, seed):
        rates = later(known, split, stimuli)
        return rates + np.random.default_rng(seed).standard_normal(rates.shape)

    assert check_model(noise)[2:5] == (True, True, False)

    def transposed(known, split, stimuli):
        return aa1xr.benchmark.MODELS["ridge"](known, split, stimuli).transpose()

    assert check_model(transposed)[1:] == check[1:]


def upside_down(known, split, stimuli):
    return aa1xr.benchmark.MODELS["ridge"](known, split, stimuli).values[::-1]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            lambda known, split, stimuli: later(known, split, stimuli) * np.nan,
            "must predict finite",
        ),
        (upside_down, "must predict the neurons in the order"),
    ],
)
def test_check_model__refuses(model, words):
    with pytest.raises(ValueError, match=words):
        check_model(model)


def offset(known, split, stimuli):
    """Ahead by one bin, in a unit in which this is little."""
    return 100 + 1e-3 * later(known, split, stimuli)


def in_place(known, split, stimuli):
    """What it does to its copies changes nothing."""
    stimuli["spectrogram"] = stimuli.spectrogram.shift(time=-1, fill_value=0)
    known["neuron"] = known.neuron.values[::-1]
    return np.stack([stimuli.spectrogram.sum("freq").values] * known.sizes["neuron"])


@pytest.mark.parametrize("model", [offset, in_place])
def test_run__finds_out_who_looks_ahead(ds, protocol, model):
    result = run(ds, protocol, model, areas=["MLd"])
    assert not result.causal.any()
    assert set(result.neuron.values) == set(ds.sel(area="MLd").neuron.values)
    check = check_model(model)
    assert (check.repeatable, check.seeded, check.causal) == (True, False, False)


def in_blocks(n_bins, offset):
    """Each bin hears the whole block of bins that it is in."""

    def blocks(known, split, stimuli):
        sound = stimuli.spectrogram.sum("freq").transpose("stimulus", "time").values
        block = (np.arange(sound.shape[1]) + offset) // n_bins
        sums = np.stack([np.bincount(block, row)[block] for row in sound])
        return np.stack([sums] * known.sizes["neuron"])

    return blocks


@pytest.mark.parametrize("offset", [0, 1, 2])
@pytest.mark.parametrize("n_bins", [2, 3, 4, 5, 25, 125])
def test_run__finds_out_who_hears_in_blocks(ds, protocol, n_bins, offset):
    model = in_blocks(n_bins, offset)
    assert not run(ds, protocol, model, areas=["MLd"]).causal.any()


def test_check_model__finds_out_who_looks_ahead_at_first_only():
    def at_first(known, split, stimuli):
        rates = later(known, split, stimuli)
        return rates.where(rates.time < 0.1, 1.0)

    assert check_model(at_first).causal is False


def test_check_model__finds_out_who_hears_other_stimuli():
    def scaled(known, split, stimuli):
        sound = stimuli.spectrogram.mean("freq")
        return known.psth.mean(["stimulus", "time"]) * sound / sound.mean()

    assert check_model(scaled).causal is False


def test_check_model__says_nothing_more_of_what_is_not_repeatable():
    rng = np.random.default_rng(0)  # of all calls

    def noisy(known, split, stimuli):
        return rng.random((known.sizes["neuron"], stimuli.sizes["stimulus"], stimuli.sizes["time"]))

    check = check_model(noisy)
    assert (check.repeatable, check.seeded, check.causal) == (False, None, None)


@pytest.mark.parametrize(
    "shape", [lambda rows: rows.T, lambda rows: rows[:, :1], lambda rows: rows[1:]]
)
def test_run__refuses_what_an_estimator_predicts(ds, protocol, shape):
    class Wrong:
        def fit(self, x, y):
            self.n = y.shape[1]

        def predict(self, x):
            return shape(np.ones((len(x), self.n)))

    everywhere = ds.isel(neuron=(ds.n_trials > 0).all("stimulus").values)
    with pytest.raises(
        ValueError, match="predict of the model Wrong must return an array of shape"
    ):
        run(everywhere.assign_coords(area=("neuron", ["MLd"] * everywhere.sizes["neuron"])),
            protocol, Wrong)  # fmt: skip
