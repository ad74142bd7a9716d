"""Digests of models and data: equal for the same in another process, and for nothing else."""

import functools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.benchmark import run
from aa1xr.benchmark.external import find_model
from aa1xr.benchmark.identity import model_digest

HELPER = "GAIN = 1\n\n\ndef drive(x):\n    return GAIN * x\n"
MODELS = """
import functools

import helper
from helper import drive

OFFSET = 0


def model(known, split, stimuli, gain=1):
    return drive(stimuli) + OFFSET


def late(known, split, stimuli):
    import later

    return later.drive(stimuli)


class Estimator:
    SCALE = 1

    def __init__(self, alpha=1):
        self.alpha = alpha

    def fit(self, x, y):
        return self

    def predict(self, x):
        return helper.GAIN * x * self.SCALE


short = functools.partial(model, gain=2)
method = Estimator().predict
"""
HELPERS = {"helper.py": HELPER, "later.py": HELPER}
CHANGED = {name: HELPER.replace("*", "+") for name in HELPERS}
CHANGES = [{}, {"helper.py": CHANGED["helper.py"]}, CHANGED]
SHOW = """
from aa1xr.benchmark.identity import model_digest

for each in (model, late, Estimator, Estimator(2), short, method, lambda *data: drive(data)):
    print(model_digest(each))
"""
#: A module, a script, and what has no file.
KINDS = {
    "module": "from models import *\nfrom helper import drive\n" + SHOW,
    "script": MODELS + SHOW,
    "stdin": MODELS + SHOW,
}
#: To import aa1xr takes a second, so a fork goes on with each kind after each change.
WORK = """
import os, runpy, sys
from pathlib import Path

import aa1xr.benchmark.identity

sys.path.insert(0, {folder!r})
for kind, code, changed in {work!r}:
    if hasattr(os, "fork") and (pid := os.fork()):
        os.waitpid(pid, 0)
        continue
    for name, text in changed.items():
        Path({folder!r}, name).write_text(text)
    if kind == "script":
        Path({folder!r}, "script.py").write_text(code)
        runpy.run_path(str(Path({folder!r}, "script.py")), run_name="__main__")
    else:
        exec(compile(code, "<stdin>", "exec"), vars(sys.modules["__main__"]))
    break
"""


@pytest.fixture(scope="module")
def digests(tmp_path_factory):
    """{kind: after each change, those of the models}, from each of two processes."""
    return [in_a_process(tmp_path_factory.mktemp("models")) for _ in range(2)]


def in_a_process(folder):
    (folder / "models.py").write_text(MODELS)
    work = [(kind, code, HELPERS | changed) for kind, code in KINDS.items() for changed in CHANGES]
    parts = [work] if hasattr(os, "fork") else [[one] for one in work]
    found = [digest for part in parts for digest in run_python(folder, part)]
    models = [found[k : k + 7] for k in range(0, len(found), 7)]
    return {kind: models[3 * n : 3 * n + 3] for n, kind in enumerate(KINDS)}


def run_python(folder, work):
    done = subprocess.run(
        [sys.executable, "-B", "-"],
        input=WORK.format(folder=str(folder), work=work),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.parametrize("kind", KINDS)
def test_model_digest__of_another_process(digests, kind):
    first, other, later = found = digests[0][kind]
    assert digests[1][kind] == found
    assert len(set(first)) == 7
    named = [k for k in range(7) if other[k] == first[k]]
    assert named in ([], [1])  # `late` does not use it
    assert later[1] != first[1]


def test_model_digest__of_state():
    class Model:
        def __init__(self, values):
            self.values = values

        def fit(self, x, y): ...
        def predict(self, x): ...

    class Gain(Model):
        def __repr__(self):
            return "a gain"

    def scaled(scale):
        return lambda known, split, stimuli: scale

    def with_lock(known, split, stimuli, lock=threading.Lock()): ...  # noqa: B008

    pairs = [
        (Model(1), Model(2)),
        (Model(np.arange(3)), Model(np.arange(3) + 1e-12)),
        (Model({"a": [1, (2, None)]}), Model({"a": [1, (2, 0)]})),
        (Model({Gain(1), "a"}), Model({Gain(2), "a"})),
        (Model(np.ma.array([1, 2], mask=[0, 1])), Model(np.ma.array([1, 2], mask=[0, 0]))),
        (type("A", (dict,), {"a": 1})(), type("A", (dict,), {"a": 2})()),
        (Model(1).predict, Model(2).predict),
        (scaled(1), scaled(2)),
        (functools.partial(scaled, 1), functools.partial(scaled, 2)),
        (Model(scaled(1)), Model(scaled(2))),
    ]
    for one, other in pairs:
        assert model_digest(one) == model_digest(one)
        assert model_digest(one) != model_digest(other)
    assert model_digest(Model(scaled(1))) == model_digest(Model(scaled(1)))
    one, other = ({"a", "b", Gain(k)} for k in (1, 1))
    assert model_digest(Model(one)) == model_digest(Model(other))
    parent, child = Model(None), Model(None)
    parent.values, child.values = {child}, parent
    assert model_digest(parent)  # ends
    with pytest.raises(TypeError, match="holds a lock, which has no contents to compare"):
        model_digest(with_lock)


def test_model_digest__of_a_changed_class():
    class Model:
        step = 1

        def fit(self, x, y): ...
        def predict(self, x): ...

    before = find_model(Model).key
    Model.step = 2
    assert find_model(Model).key != before


def loudness(known, split, stimuli):
    return stimuli.spectrogram.sum("freq").expand_dims(neuron=known.neuron.values)


@pytest.fixture(scope="module")
def results(ds, protocol, tmp_path_factory):
    """A folder with results of MLd."""
    run(ds.sel(area="MLd"), protocol, loudness, path=(path := tmp_path_factory.mktemp("a") / "out"))
    return path


def other_trials(ds):
    """Of the single trials alone: `psth` stays as it is."""
    return ds.assign(spikes=2 * ds.spikes)


def other_values(ds):
    changed = ds.spectrogram.compute() * 1.5
    return aa1xr.with_spectrogram(ds, changed.assign_attrs(ds.spectrogram.attrs))


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.isel(neuron=[0]),
        lambda ds: ds.drop_sel(stimulus="conspecific-00"),
        lambda ds: aa1xr.take_trials(ds, "even"),
        lambda ds: ds.isel(freq=slice(4, None)),
        other_values,
        other_trials,
    ],
)
def test_run__results_of_other_data_are_refused(ds, protocol, change, results):
    with pytest.raises(ValueError, match="has results of"):
        run(change(ds.sel(area="MLd")), protocol, loudness, path=results)


def test_run__areas_share_a_folder(ds, protocol, tmp_path):
    """As the jobs of a cluster do, each with its own area."""
    alone = [
        run(ds.sel(area=area), protocol, loudness, path=tmp_path / "out")
        for area in ("Field_L", "MLd")
    ]
    both = run(ds, protocol, loudness, path=tmp_path / "out")
    xr.testing.assert_equal(both.cc_raw, xr.concat(alone, "neuron").cc_raw)
