"""Every block of docs/guide/how-do-i.md runs after the first one, on the sample."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import aa1xr
from tests.guide_pages import blocks, run_block
from tests.test_readme import SAMPLE

SETUP, *RECIPES = blocks("how-do-i.md", "python")
#: Extras that not every environment has.
OPTIONAL = {
    "to_torch": "torch",
    ".explore(": "panel",
    ".listen(": "IPython",
    "Client(": "distributed",
}


@pytest.fixture
def run(sample_archive, tmp_path, monkeypatch, request):
    """Runs a block after the first block, and returns its names."""
    monkeypatch.chdir(tmp_path)
    names = {"sample_archive": sample_archive}

    def run(code):
        for word, module in OPTIONAL.items():
            if word in code:
                pytest.importorskip(module)
        if "s3://" in code:
            names["bucket"] = request.getfixturevalue("bucket")
        for real, sample in SAMPLE.items():
            code = code.replace(real, sample)
        for block in (SETUP, code):
            run_block("how-do-i.md", block, names)
        return names

    yield run
    plt.close("all")
    if "client" in names:
        names["client"].close()
    if "explorer" in names:
        names["explorer"].stop()


@pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")  # some sample cells are silent
@pytest.mark.parametrize("code", RECIPES, ids=lambda code: code.splitlines()[-1][:40])
def test_how_do_i__block_runs(run, code):
    assert run(code)


def find(word):
    """The block with a word."""
    (code,) = (code for code in RECIPES if word in code)
    return code


@pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")
def test_how_do_i__most_reliable(run):
    names = run(find("nlargest"))
    snr = aa1xr.quality(names["ds"]).snr.compute()
    assert names["reliable"].sizes["neuron"] == 10
    assert snr.sel(neuron=names["reliable"].neuron).min() >= np.sort(snr)[-10]


@pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")
def test_how_do_i__numpy_prediction(run):
    names = run(find("copy(data=array)"))
    ds = names["ds"]
    loudness = ds.spectrogram.mean("freq") * ds.psth.mean(["stimulus", "time"])
    expected = aa1xr.score(ds, loudness).cc_norm.compute()
    assert expected.notnull().sum() > 5
    xr.testing.assert_allclose(names["cc_norm"].drop_attrs(), expected.drop_attrs())
