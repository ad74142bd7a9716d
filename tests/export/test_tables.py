import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import aa1xr
from aa1xr.dataset.lazy import Spikes


def end_of(ds, stimulus):
    """The end of the last bin that begins while a stimulus plays, in microseconds."""
    one = ds.sel(stimulus=stimulus)
    hop = round(one.sample_rate.item() * ds.time.attrs["dt_ms"] / 1000)
    return -(-one.n_samples.item() // hop) * hop * 10**6 / one.sample_rate.item()


def loops(ds, trains, position):
    """{label: Counter} by neuron (0) or stimulus (1), in plain loops."""
    out, pairs = {}, set()
    group = {0: ds.type.to_series(), 1: ds.area.to_series()}[position]
    plural = {0: "stimuli", 1: "neurons"}[position]
    ends = {stimulus: end_of(ds, stimulus) for stimulus in ds.stimulus.values.tolist()}
    for key, times in trains.items():
        row = out.setdefault(key[position], Counter())
        of = group[key[1 - position]]
        pair = key[:2] not in pairs
        pairs.add(key[:2])
        row[f"n_{plural}"] += pair
        row[f"n_{plural}_{of}"] += pair
        row["n_trials"] += 1
        row[f"n_trials_{of}"] += 1
        row["n_spikes"] += int(((times >= 0) & (times < ends[key[1]])).sum())
    return out


@pytest.mark.parametrize(
    ("function", "dim", "position"),
    [(aa1xr.neurons, "neuron", 0), (aa1xr.stimuli, "stimulus", 1)],
)
def test_tables__count_as_plain_loops_do(ds, trains, function, dim, position):
    table = function(ds)
    assert table.index.name == dim
    assert table.index.tolist() == ds[dim].values.tolist()
    labels = [name for name, label in ds.coords.items() if label.dims == (dim,) and name != dim]
    assert table.columns.tolist()[: len(labels)] == labels
    for name in labels:
        assert table[name].tolist() == ds[name].values.tolist()
    expected = pd.DataFrame.from_dict(loops(ds, trains, position), orient="index").fillna(0)
    found = table.drop(columns=labels)
    pd.testing.assert_frame_equal(
        found, expected.loc[found.index, found.columns].astype(np.int64), check_names=False
    )


def test_trials__count_as_plain_loops_do(ds, trains):
    table = aa1xr.trials(ds)
    key = [table.neuron, table.stimulus, table.trial]
    found = dict(zip(zip(*key, strict=True), table.n_spikes, strict=True))
    ends = (ds.n_samples / ds.sample_rate * 1e6).to_series()
    assert found == {k: ((t >= 0) & (t < ends[k[1]])).sum() for k, t in trains.items()}
    for label, dim in (("rig", "neuron"), ("duration_s", "stimulus")):
        assert (table[label] == table[dim].map(ds[label].to_series())).all()
    before = aa1xr.trials(ds, start=-1, stop=0)
    assert before.drop(columns="n_spikes").equals(table.drop(columns="n_spikes"))
    assert before.n_spikes.sum() == sum(((t >= -1e6) & (t < 0)).sum() for t in trains.values())


def test_tables__are_of_the_selection(ds):
    ripples = ds.sel(type="flatrip")
    songs = aa1xr.neurons(ds.sel(type="conspecific"))
    assert songs.loc["sim0000_2_A", ["n_stimuli", "n_trials", "n_spikes"]].tolist() == [0, 0, 0]
    assert "n_trials_flatrip" not in songs
    even = aa1xr.neurons(aa1xr.take_trials(ripples, "even"))
    odd = aa1xr.neurons(aa1xr.take_trials(ripples, "odd"))
    both = aa1xr.neurons(ripples)
    for name in ("n_trials", "n_spikes"):
        assert (even[name] + odd[name] == both[name]).all()
    one = aa1xr.trials(ripples.isel(trial=[2, 0]))
    assert one.trial.unique().tolist() == [2, 0]
    assert len(one) == 2 * (ripples.n_trials > 0).sum()


@pytest.mark.parametrize("drop", [{"neuron": 3}, {"stimulus": 12}, {"neuron": 3, "stimulus": 12}])
def test_tables__of_one_neuron_or_stimulus(ds, drop):
    kept = {dim: [position] for dim, position in drop.items()}
    for function in (aa1xr.neurons, aa1xr.stimuli, aa1xr.trials):
        pd.testing.assert_frame_equal(function(ds.isel(drop)), function(ds.isel(kept)))


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_neurons__quality_is_that_of_quality(ds):
    measured = aa1xr.quality(ds).compute()
    # Labels of `with_quality` are replaced, since they may be of other data.
    ds = ds.assign_coords(snr=("neuron", np.zeros(ds.sizes["neuron"])))
    table = aa1xr.neurons(ds, quality=True)
    assert table.columns[-len(measured) :].tolist() == list(measured)
    for name, array in measured.items():
        np.testing.assert_array_equal(table[name].values, array.values)
    assert (aa1xr.neurons(ds).snr == 0).all()
    assert aa1xr.neurons(ds.isel(neuron=2), quality=True).ttrc.item() == measured.ttrc[2]


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_neurons__counts_the_spikes_once(sample_store, monkeypatch):
    ds = aa1xr.open(sample_store, dt_ms=20)
    calls = []
    compute = Spikes.compute
    monkeypatch.setattr(
        Spikes, "compute", lambda self, *at: calls.append(at[0].size) or compute(self, *at)
    )
    aa1xr.neurons(ds, quality=True)
    assert sum(calls) == ds.sizes["neuron"]


def test_tables__have_labels_of_ones_own(ds):
    depths = np.linspace(300, 1400, 12)
    depths[4] = np.nan
    kinds = np.array(["narrow", ""] * 6, np.dtypes.StringDType())
    days = np.arange("2004-03-01", "2004-03-13", dtype="datetime64[D]").astype("M8[ns]")
    own = ds.assign_coords(
        depth_um=("neuron", depths), kind=("neuron", kinds), day=("neuron", days),
        level_db=ds.type.copy(data=np.where(ds.type == "flatrip", 81, 75)),
        block=("trial", list("aaabbbcccddddee")),
    )  # fmt: skip
    table = aa1xr.neurons(own.chunk(neuron=5))
    np.testing.assert_array_equal(table.depth_um, depths)
    assert table.kind.tolist() == kinds.tolist()
    assert table.day.iloc[1] == pd.Timestamp("2004-03-02")
    assert aa1xr.stimuli(own).level_db.tolist() == [75] * 10 + [81] * 5
    rows = aa1xr.trials(own)
    assert {"depth_um", "kind", "day", "level_db", "block"} <= set(rows)
    assert rows.block[rows.trial == 3].unique().tolist() == ["b"]


def test_tables__of_another_bin_width(sample_store, ds):
    coarse = aa1xr.open(sample_store, dt_ms=40, before_ms=80)
    pd.testing.assert_frame_equal(aa1xr.trials(coarse), aa1xr.trials(ds))
    labels = aa1xr.neurons(coarse).drop(columns="n_spikes")
    pd.testing.assert_frame_equal(labels, aa1xr.neurons(ds).drop(columns="n_spikes"))


def test_tables__survive_csv(ds, tmp_path):
    table = aa1xr.neurons(ds.assign_coords(depth_um=("neuron", [np.nan, *range(11)])))
    table.to_csv(tmp_path / "neurons.csv")
    read = pd.read_csv(tmp_path / "neurons.csv", index_col="neuron")
    pd.testing.assert_frame_equal(read, table)


@pytest.mark.parametrize(
    ("function", "change", "says"),
    [
        (aa1xr.neurons, lambda ds: ds[["psth"]], "no variable 'n_trials'"),
        (aa1xr.stimuli, lambda ds: ds.drop_vars("spikes"), "no variable 'spikes'"),
        (aa1xr.neurons, lambda ds: ds.drop_vars("neuron"), "'neuron', the neuron id"),
        (aa1xr.trials, lambda ds: ds.drop_vars("stimulus"), "'stimulus', the stimulus"),
        (
            aa1xr.neurons,
            lambda ds: ds.assign(n_trials=ds.n_trials + 1).compute(),
            "`n_trials` and `spikes` contradict each other",
        ),
        (
            aa1xr.neurons,
            lambda ds: ds.assign_coords(n_stimuli=("neuron", np.arange(12))),
            "label 'n_stimuli' has the name of a column .* ds.rename",
        ),
        (
            aa1xr.trials,
            lambda ds: ds.assign_coords(n_spikes=("neuron", np.arange(12))),
            "label 'n_spikes' has the name",
        ),
    ],
)
def test_tables__refuse(ds, function, change, says):
    with pytest.raises(ValueError, match=says):
        function(change(ds))
    with pytest.raises(TypeError, match="quality must be True or False; got 'yes'"):
        aa1xr.neurons(ds, quality="yes")
    with pytest.raises(TypeError, match="expected a Dataset"):
        function(ds.spikes)


def test_tables__of_the_real_archive_are_those_of_its_files(real_archive):
    """Read the zip with zipfile and plain Python; nothing of the package."""
    rows, ends = [], {}
    with zipfile.ZipFile(real_archive) as archive:
        names = [name for name in archive.namelist() if "__MACOSX" not in name]
        for name in names:
            if name.endswith(".wav"):
                # 16 bit mono behind a header of 44 bytes, at 32 kHz: 5 ms are 160 samples.
                *_, kind, file = name.split("/")
                ends[file] = kind, (len(archive.read(name)) - 44) // 2
        for name in names:
            area, cell, kind, file = ("", "", "", *name.split("/"))[-4:]
            if not (file.startswith("spike") and area.endswith("_cells")):
                continue
            wav = archive.read(name.replace("/spike", "/stim")).decode().strip()
            lines = archive.read(name).decode().split("\n")[:-1]
            times = [np.array(line.split(), float) for line in lines]
            of_kind, n_samples = ends[wav]
            assert of_kind == kind
            until = -(-n_samples // 160) * 5.0
            rows.append(
                {
                    "area": area.removesuffix("_cells"), "neuron": cell, "type": kind, "name": wav,
                    "n_trials": len(times),
                    "n_spikes": sum(int(((t >= 0) & (t < until)).sum()) for t in times),
                    "exact": sum(int(((t >= 0) & (t < n_samples / 32)).sum()) for t in times),
                }
            )  # fmt: skip
    files = pd.DataFrame(rows)
    assert len(files) == 2900
    ds = aa1xr.open(real_archive, dt_ms=5)
    table = aa1xr.neurons(ds)
    by = files.groupby("neuron")
    assert sorted(table.index) == sorted(by.groups)
    assert (table.area == by.area.first()[table.index]).all()
    assert (table.n_stimuli == by.size()[table.index]).all()
    for name in ("n_trials", "n_spikes"):
        assert (table[name] == by[name].sum()[table.index]).all()
    for kind in ("conspecific", "flatrip"):
        of_kind = files[files.type == kind].groupby("neuron").n_trials
        for name, numbers in (("stimuli", of_kind.size()), ("trials", of_kind.sum())):
            expected = numbers.reindex(table.index, fill_value=0)
            assert (table[f"n_{name}_{kind}"] == expected).all()
    table = aa1xr.stimuli(ds).set_index("name")
    by = files.groupby("name")
    assert sorted(table.index) == sorted(by.groups)
    assert (table.type == by.type.first()[table.index]).all()
    assert (table.n_samples == [ends[name][1] for name in table.index]).all()
    for found, expected in (
        (table.n_neurons, by.size()),
        (table.n_trials, by.n_trials.sum()),
        (table.n_spikes, by.n_spikes.sum()),
        (table.n_trials_MLd, files[files.area == "MLd"].groupby("name").n_trials.sum()),
    ):
        assert (found == expected[table.index]).all()
    found = (
        aa1xr.trials(ds).groupby(["neuron", "name"], observed=True).n_spikes.agg(["size", "sum"])
    )
    expected = files.set_index(["neuron", "name"]).loc[found.index]
    assert (found["size"] == expected.n_trials).all()
    assert (found["sum"] == expected.exact).all()


def test_tables__are_methods(ds):
    pd.testing.assert_frame_equal(ds.aa1.neurons(), aa1xr.neurons(ds))
    assert isinstance(ds, xr.Dataset)
