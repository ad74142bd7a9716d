import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from aa1xr.benchmark import PUBLISHED, read_scores, run, stored_scores, table
from aa1xr.benchmark.stored_scores import COLUMNS, ORIGIN, score_lines


def result(cc_norm, **attrs):
    dims = ("split", "seed", "stimulus_type", "neuron")
    return xr.Dataset(
        dict.fromkeys(("cc_norm", "cc_norm_deepstrf", "cc_raw"), (dims, cc_norm)),
        {
            "area": ("neuron", ["MLd", "MLd", "Field_L"]),
            "stimulus_type": ["conspecific", "flatrip"],
        },
        {"model": "m", "protocol": "p", **attrs},
    )


def rows_of(text):
    """The rows as dictionaries."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    lines = [line for line in lines if len(line) > 5]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_table__means_spread_and_counts():
    values = np.zeros((2, 1, 2, 3))
    values[:, 0, 0, :2] = [[0.5, 0.7], [0.8, np.nan]]
    given = result(values)
    given["seconds"] = ("split", "neuron"), [[3.0, 3.0, 1.0], [5.0, 5.0, 1.0]]
    given["parameters_one_output"] = ("neuron", [1000.0, 1000.0, np.nan])
    given["parameters"] = ("neuron", [1234.0, 1234.0, np.nan])
    for name in ("seconds", "parameters_one_output", "parameters"):
        given[name] = given[name].broadcast_like(given.cc_norm.isel(stimulus_type=0, drop=True))
    text = table([given], published=False)
    rows = rows_of(text)
    assert [(row["area"], row["sounds"]) for row in rows] == [
        ("Field_L", "conspecific"),
        ("Field_L", "flatrip"),
        ("MLd", "conspecific"),
        ("MLd", "flatrip"),
    ]
    # Means over neurons of 60 and 80 %, over the one neuron that the second split leaves.
    assert rows[2] == {
        "protocol": "p",
        "model": "m",
        "area": "MLd",
        "sounds": "conspecific",
        "parameters, one output": "1,000",
        "parameters": "1,234",
        "CCnorm %": "70.0 ± 14.1",
        "by stimulus %": "70.0 ± 14.1",
        "CCraw %": "70.0 ± 14.1",
        "splits": "2",
        "seeds": "1",
        "s a fit": "4",
        "neurons scored": "1 of 2",
    }
    assert rows[0]["parameters"] == ""
    assert "± is the standard deviation of this mean over splits (and seeds)" in text


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.7971, "0.797"), (23.66, "23.7"), (3156.4, "3,156")]
)
def test_table__seconds_have_no_exponent(seconds, shown):
    given = result(np.full((1, 1, 2, 3), 0.5))
    rows = rows_of(table([given.assign(seconds=0 * given.cc_norm + seconds)], published=False))
    assert {row["s a fit"] for row in rows} == {shown}


def test_table__of_one_run_has_no_spread():
    rows = rows_of(table([result(np.full((1, 1, 2, 3), 0.5))], published=False))
    assert (rows[0]["CCnorm %"], rows[0]["s a fit"]) == ("50.0", "")


def test_table__published_rows_stand_in_their_protocol():
    protocols = ((0.7, "rancon2025"), (0.7, "rancon2025-mixture"), (1, "q"))
    own = [result(np.full((1, 1, 2, 3), x), protocol=p) for x, p in protocols]
    assert "published" not in table(own[2:])
    assert len(rows_of(table(own[:1]))) == 4 + 3  # and those of Field L
    rows = rows_of(table(own))
    published = [row for row in rows if "published" in row["model"]]
    assert len(published) == len(PUBLISHED) == 6
    of_songs = [
        (row["model"], row["CCnorm %"])
        for row in rows
        if (row["protocol"], row["area"], row["sounds"]) == ("rancon2025", "Field_L", "conspecific")
    ]
    assert of_songs == [
        ("2D-CNN, published", "65.0"),
        ("Transformer, published", "65.5"),
        ("m", "70.0"),
        ("StateNet GRU, published", "71.0"),
    ]
    # The labels that the source has swapped: 29,109 parameters are those of the Transformer.
    counts = {(p.model, p.area): p.parameters for p in PUBLISHED if p.cc_norm in (68.9, 73.4)}
    assert counts == {("Transformer", "MLd"): 29_109, ("StateNet Mamba", "MLd"): 32_334}


def test_table__differences_are_paired_over_splits():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 1, (2, 4, 1, 2, 3))
    text = table([result(a), result(b, model="b")], published=False, baseline="b")
    row = next(row for row in rows_of(text) if (row["model"], row["area"]) == ("m", "MLd"))
    each = 100 * (a - b)[:, 0, 0, :2].mean(1)
    expected = f"{each.mean():+.1f} ± {each.std(ddof=1) / 2:.1f}"
    assert row["CCnorm less b"] == expected
    assert next(row for row in rows_of(text) if row["model"] == "b")["CCnorm less b"] == ""
    assert "standard error over splits" in text


def test_table__pairs_the_same_splits_of_the_same_data_only():
    one = {"source_title": "Simulated", "source_sha256": "1", "splits_sha256": "a"}
    values = np.full((2, 1, 2, 3), 0.5)
    first = result(values, **one)
    for change, pairs in (
        ({}, True),
        ({"source_sha256": "2"}, False),
        ({"splits_sha256": "b"}, False),
        ({"source_sha256": "", "splits_sha256": ""}, True),  # not known
    ):
        other = result(values, **one | change, model="b")
        rows = rows_of(table([first, other], published=False, baseline="b"))
        assert all((row["CCnorm less b"] != "") == pairs for row in rows if row["model"] == "m")
        assert not any("other data" in row["model"] for row in rows)
    fewer = result(values[..., :2].repeat(2, -1)[..., :3], **one).isel(neuron=[0, 2])
    rows = rows_of(table([fewer, result(values, **one, model="b")], baseline="b"))
    assert {(row["area"], row["CCnorm less b"] != "") for row in rows if row["model"] == "m"} == {
        ("MLd", False),
        ("Field_L", True),
    }


def test_table__marks_what_is_not_of_aa1():
    own = result(np.full((10, 1, 2, 3), 0.9), protocol="cv10", source_title="Simulated",
                 source_sha256="1")  # fmt: skip
    text = table([stored_scores(), own], baseline="ridge", protocol="cv10")
    rows = [row for row in rows_of(text) if row["model"].startswith("m ")]
    assert [row["model"] for row in rows] == ["m (other data)"] * 4
    assert not any(row["CCnorm less ridge"] for row in rows)
    assert "not of the complete AA1" in text
    assert "other data" not in table([stored_scores()])


def test_table__of_scores_from_a_file(tmp_path):
    scores = stored_scores().query("protocol == 'rancon2025'")
    scores.to_csv(tmp_path / "scores.csv", index=False)
    options = {"baseline": "strfPy, direct fit"}
    assert table([pd.read_csv(tmp_path / "scores.csv")], **options) == table([scores], **options)


def test_table__a_split_without_a_score():
    values = np.full((3, 1, 2, 3), 0.5)
    values[0] = np.nan
    rows = rows_of(
        table([result(values), result(values * 0 + 1, model="b")], published=False, baseline="b")
    )
    one = next(row for row in rows if row["model"] == "m")
    assert (one["CCnorm %"], one["CCnorm less b"]) == ("nan ± nan", "-50.0 ± 0.0")
    assert one == rows[0]  # the least
    alone = [
        result(values[k : k + 1], model=m).assign_coords(split=[k]) for k, m in ((1, "m"), (2, "b"))
    ]
    assert not any(row["CCnorm less b"] for row in rows_of(table(alone, baseline="b")))


def test_table__refuses_a_baseline_that_is_two():
    two = [result(np.full((2, 1, 2, 3), x), model=m) for x, m in ((0, "m"), (1, "m"), (2, "b"))]
    with pytest.raises(ValueError, match="'m' is the name of 2 results; name each"):
        table(two, baseline="m")


def test_table__refuses_an_unknown_protocol():
    with pytest.raises(ValueError, match="protocol='cv11'; expected one of these results: p"):
        table([result(np.zeros((2, 1, 2, 3)))], protocol="cv11")


def test_table__each_split_counts_alike():
    lines = score_lines(result(np.full((2, 1, 2, 3), 0.5))).query("area == 'MLd'")
    others = [lines.query("split == 1").assign(cc_norm=0.8, seed=seed) for seed in (1, 2)]
    for name in ("m", "b"):
        rows = rows_of(
            table(
                [pd.concat([lines, *others]), lines.assign(model="b", cc_norm=0.3)],
                published=False,
                baseline=name,
            )
        )
        # 50, and the mean of 50, 80 and 80; with the spread of all four.
        assert next(row for row in rows if row["model"] == "m")["CCnorm %"] == "60.0 ± 17.3"
    assert rows[1]["CCnorm less b"].startswith("+30.0")


def test_table__a_spectrogram_of_its_own_is_another_model():
    scores = [result(np.full((2, 1, 2, 3), x)) for x in (0.3, 0.5, 0.7)]
    theirs = {"spectrogram": "custom", "spectrogram_kind": "gaussian"}
    inputs = [scores[0].assign_attrs(theirs), scores[1], scores[2].assign_attrs(model="b")]
    for baseline, expected in {
        "m": {"m": "", "m (gaussian spectrogram)": "-20.0 ± 0.0", "b": "+20.0 ± 0.0"},
        "m (gaussian spectrogram)": {
            "m": "+20.0 ± 0.0",
            "m (gaussian spectrogram)": "",
            "b": "+40.0 ± 0.0",
        },
    }.items():
        # Of several runs, and of a file of scores.
        for given in (inputs, [pd.concat(map(score_lines, inputs))]):
            rows = rows_of(table(given, published=False, baseline=baseline))
            found = {row["model"]: row[f"CCnorm less {baseline}"] for row in rows}
            assert found == expected
            assert len(rows) == 3 * 4
    with pytest.raises(ValueError, match=r"expected a model .*: b, m, m \(gaussian spectrogram\)"):
        table(inputs, baseline="gaussian")


def test_table__of_a_folder_is_that_of_the_result(ds, protocol, tmp_path):
    expected = run(ds, protocol, "ridge", path=tmp_path / "out")
    assert table([read_scores(tmp_path / "out")]) == table([expected])
    assert score_lines(expected)["splits_sha256"].unique().tolist() == (
        read_scores(tmp_path / "out")["splits_sha256"].unique().tolist()
    )


def test_table__does_not_mix_folders_of_other_splits(ds, protocol, tmp_path):
    fewer = ds.isel(stimulus=(ds.stimulus != "conspecific-00").values)

    def sums(known, split, stimuli):
        return stimuli.spectrogram.sum("freq") * known.neuron.notnull()

    for name, given in (("all", ds), ("fewer", fewer)):
        run(given, protocol, sums, areas=["MLd"], path=tmp_path / name)
    folders = [read_scores(tmp_path / name) for name in ("all", "fewer")]
    folders[1] = folders[1].assign(model="other")
    rows = rows_of(table(folders, published=False, baseline="other"))
    assert [row["CCnorm less other"] for row in rows] == ["", ""]
    both = pd.concat([folders[0], folders[1].assign(model=folders[0].model.iloc[0])])
    assert len(rows_of(table([both], published=False))) == 2


def test_read_scores__tells_a_model_from_what_it_was(ds, protocol, tmp_path):
    one = dataclasses.replace(protocol, n_splits=1)
    for gain in (1.0, 2.0):

        def loud(known, split, stimuli, gain=gain):
            return known.psth.mean(["stimulus", "time"]) * stimuli.spectrogram.sum("freq") ** gain

        run(ds, one, loud, areas=["MLd"], path=tmp_path / "out")
    names = read_scores(tmp_path / "out")["model"]
    assert names.nunique() == 2
    assert names.str.contains("loud-").all()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_read_scores__refuses_what_has_none(make, tmp_path):
    make(tmp_path / "out")
    with pytest.raises(ValueError, match="out must be a folder of results"):
        read_scores(tmp_path / "out")


def test_stored_scores__are_complete():
    scores = stored_scores()
    assert tuple(scores) == COLUMNS + ORIGIN
    row = ["protocol", "model", "spectrogram", "area", "sounds"]
    assert not scores.duplicated([*row, "split", "seed"]).any()
    assert {"ridge", "endless trials (noise ceiling)"} <= set(scores.model)
    ceiling = scores[scores.model.str.contains("ceiling")].cc_norm
    np.testing.assert_allclose(ceiling, 1)


def test_table__refuses_other_columns():
    with pytest.raises(ValueError, match="'scored' is missing"):
        table([stored_scores().drop(columns="scored")])
