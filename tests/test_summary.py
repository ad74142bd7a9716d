import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.summary import as_html, as_text, rows, summarize


@pytest.fixture(scope="module")
def ds(sample_archive):
    return aa1xr.open_sample(before_ms=100)


def test_summarize__says_what_there_is(ds):
    summary = summarize(ds)
    heard = ds.n_trials.values
    assert summary["neurons"] == {"count": 12, "by_area": {"Field_L": 6, "MLd": 6}, "animals": 2}
    songs = ds.duration_s.sel(type="conspecific")
    assert summary["stimuli"] == {
        "count": 15,
        "by_type": {
            "conspecific": {"count": 10, "duration_s": [songs.min().item(), songs.max().item()]},
            "flatrip": {"count": 5, "duration_s": [2.0, 2.0]},
        },
        "sample_rate_hz": 32000,
    }
    assert summary["presentations"] == {
        "count": heard.sum(),
        "pairs": heard.size,
        "pairs_heard": (heard > 0).sum(),
        "per_pair": [10, 15],
    }
    assert summary["bins"] == {"dt_ms": 5, "count": 454, "window_s": [-0.1, 2.17]}
    assert summary["mel"]["n_mels"] == 32
    assert summary["variables"]["psth"]["units"] == "count/s"
    assert summary["source"]["source_sha256"] == ds.attrs["source_sha256"]
    assert json.loads(json.dumps(summary)) == summary


def test_summarize__computes_nothing_but_the_trials(ds):
    def fail(block):
        raise AssertionError("something was computed")

    lazy = {n: (a.dims, da.map_blocks(fail, a.data, dtype=a.dtype), a.attrs)
            for n, a in ds.data_vars.items() if n != "n_trials"}  # fmt: skip
    guarded = ds.assign(lazy)
    with pytest.raises(AssertionError, match="something was computed"):
        guarded.psth.compute()
    assert repr(guarded.aa1) == repr(ds.aa1)
    assert guarded.aa1._repr_html_() == ds.aa1._repr_html_()


def test_summarize__counts_the_trials_selected(ds):
    assert summarize(ds.isel(trial=slice(12, None)))["presentations"] == {
        "count": 45,
        "pairs": 180,
        "pairs_heard": 15,
        "per_pair": [3, 3],
    }
    assert summarize(ds.isel(trial=0))["presentations"]["count"] == 170
    never = ds.sel(neuron=["sim0000_2_A"], type="conspecific")
    assert summarize(never)["presentations"] == {
        "count": 0,
        "pairs": 10,
        "pairs_heard": 0,
        "per_pair": [],
    }
    bare = ds.drop_dims("trial")
    assert summarize(bare)["presentations"] == summarize(ds)["presentations"]


SELECTIONS = {
    "area": lambda ds: ds.sel(area="MLd"),
    "one neuron": lambda ds: ds.isel(neuron=0),
    "one pair at one time": lambda ds: ds.isel(neuron=0, stimulus=0, time=3, trial=0, freq=0),
    "nothing left": lambda ds: ds.isel(neuron=[], stimulus=[], time=[]),
    "no variables": lambda ds: ds.drop_vars(list(ds.data_vars)),
    "no labels": lambda ds: ds.drop_vars(list(ds.coords)),
    "mean over neurons": lambda ds: ds.mean("neuron"),
    "masked": lambda ds: ds.where(ds.n_trials > 10),
    "wider bins": lambda ds: ds.aa1.resample(20),
    "with quality": aa1xr.with_quality,
    "measures": aa1xr.quality,
    "empty": lambda ds: xr.Dataset(),
}


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")  # sample cells that hardly fire
@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS)
def test_summarize__of_any_selection(select, ds):
    selected = select(ds)
    json.dumps(summarize(selected), allow_nan=False)
    assert isinstance(repr(selected.aa1), str)
    assert selected.aa1._repr_html_().startswith("<table>")


def test_summarize__of_one_pair(ds):
    summary = summarize(ds.isel(neuron=0, stimulus=0, time=3))
    assert summary["neurons"] == {"count": 1, "by_area": {"Field_L": 1}, "animals": 1}
    assert summary["stimuli"]["by_type"]["conspecific"]["count"] == 1
    np.testing.assert_allclose(summary["bins"]["window_s"], [-0.085, -0.08])
    text = as_text(summary)
    assert "1 (1 Field_L) of 1 animal\n" in text
    assert "of 2.164 s) at" in text


def test_as_text__is_one_screen(ds):
    lines = as_text(summarize(ds)).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 88


def test_as_html__has_every_row_escaped(ds):
    summary = summarize(ds) | {"title": "<b> & co"}
    html = as_html(summary)
    assert "&lt;b&gt; &amp; co" in html
    assert html.count("<tr>") == len(rows(summary, coordinates=True))


def test_dataset__reads_well(ds):
    text = repr(ds)
    assert all(f"    {label} " in text for label in ("area", "type", "duration_s"))
    html = ds._repr_html_()
    assert all(f"<dd>{units}</dd>" in html for units in ("count/s", "Hz", "s"))


def test_summarize__of_an_axis_that_is_not_as_it_says(ds):
    thinned = ds.isel(time=slice(None, None, 2))
    assert summarize(thinned)["bins"]["dt_ms"] == 5
    assert "of 5 ms" in repr(thinned.aa1)


def test_as_html__has_the_meaning_and_units_of_everything(ds):
    labelled = ds.assign_coords(depth_um=("neuron", np.arange(12), {"units": "um"}))
    html = as_html(summarize(labelled))
    for array in (*ds.data_vars.values(), *ds.coords.values()):
        assert array.attrs["long_name"] in html
        assert array.attrs.get("units", "s") in html
    assert "<th style='text-align: left; vertical-align: top; white-space: normal'>depth_um" in html
    assert "(neuron) [um]" in html
    assert "depth_um" not in as_text(summarize(labelled))  # one screen of a terminal
