import dataclasses
import json

import numpy as np
import pytest

from aa1xr import cli
from aa1xr.benchmark import compare, read_splits, run, score_prediction, write_splits


def names_of(prepared, split):
    return [prepared.name.sel(stimulus=part).values.tolist() for part in split]


def test_read_splits__of_written_ones_are_the_same(ds, protocol, tmp_path):
    path = write_splits(ds, protocol, tmp_path / "splits.json")
    read = read_splits(path, protocol)
    prepared = protocol.prepare(ds)
    for one, other in zip(protocol.splits(prepared), read.splits(prepared), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    a, b = (run(ds, p, "ridge", areas=["MLd"]) for p in (protocol, read))
    np.testing.assert_array_equal(a.cc_norm, b.cc_norm)
    assert b.attrs["protocol"] == "cv2, splits.json"
    assert len(b.attrs["protocol_splits_sha256"]) == 64
    with pytest.raises(ValueError, match="must have the same protocol"):
        compare(a, b)


def test_read_splits__of_one_score_may_lack_a_type(ds, protocol, tmp_path):
    together = dataclasses.replace(
        protocol, types=("conspecific", "flatrip"), together=True, order="random", n_splits=8
    )
    read = read_splits(write_splits(ds, together, tmp_path / "splits.json"), together)
    prepared = together.prepare(ds)
    splits = together.splits(prepared)
    tested = [set(prepared["type"].sel(stimulus=split.test).values.tolist()) for split in splits]
    assert any(len(types) == 1 for types in tested)
    for one, other in zip(splits, read.splits(prepared), strict=True):
        assert [part.tolist() for part in one] == [part.tolist() for part in other]


def test_read_splits__refuses_those_of_another_protocol(ds, protocol, tmp_path):
    path = write_splits(ds, protocol, tmp_path / "splits.json")
    with pytest.raises(ValueError, match=r"splits of protocol 'cv2', and protocol is 'cv10'"):
        read_splits(path, "cv10")
    again = write_splits(ds, read_splits(path, protocol), tmp_path / "again.json")
    assert read_splits(again, protocol).fixed == read_splits(path, protocol).fixed


def test_read_splits__of_your_own(ds, protocol, tmp_path):
    prepared = protocol.prepare(ds)
    train, validation, test = names_of(prepared, protocol.splits(prepared)[0])
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps({"splits": [{"train": train[:2], "validation": test, "test": validation[:1]}]})
    )
    mine = read_splits(path, protocol)
    assert mine.n_splits == 1
    (split,) = mine.splits(prepared)
    assert names_of(prepared, split) == [train[:2], test, validation[:1]]
    result = score_prediction(ds, prepared.psth, mine)
    assert dict(result.sizes)["split"] == 1
    # Results of other splits are never reused.
    run(ds, mine, "ridge", areas=["MLd"], path=tmp_path / "out")
    path.write_text(path.read_text().replace(validation[0], validation[1]))
    with pytest.raises(ValueError, match="out has results of other splits; choose another"):
        run(ds, read_splits(path, protocol), "ridge", areas=["MLd"], path=tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not JSON", r"splits.json must be a file of splits in JSON; Expecting value"),
        ("[]", r'must be an object with a list "splits"; got \[\]'),
        ({"splits": []}, 'must be an object with a list "splits"'),
        ({"splits": [["a"]]}, "split 0 of .*splits.json must be an object with train, validation"),
        ({"splits": [{"train": ["a"], "test": ["b"]}]}, 'must have a list "validation" of names'),
        ({"splits": [{"train": ["a"], "validation": [1], "test": ["b"]}]}, r"got \[1\]"),
        (
            {"splits": [{"train": ["a"], "validation": ["b"], "test": ["a"]}]},
            "must have each sound once; 'a' occurs twice",
        ),
    ],
)
def test_read_splits__refuses(content, message, protocol, tmp_path):
    path = tmp_path / "splits.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_splits(path, protocol)


def test_splits__of_other_sounds_are_refused(ds, protocol, tmp_path, capsys):
    path = tmp_path / "splits.json"
    path.write_text(
        json.dumps({"splits": [{"train": ["a.wav"], "validation": ["b"], "test": ["c"]}]})
    )
    with pytest.raises(ValueError, match=r"split 0 of cv2, splits.json has the sound 'a.wav'"):
        run(ds, read_splits(path, protocol), "ridge")
    assert cli.main(["benchmark", "--sample", "--splits", str(path)]) == 1
    assert "split 0 of cv10, splits.json has the sound 'a.wav'" in capsys.readouterr().err


def test_read_splits__with_a_byte_order_mark(ds, protocol, tmp_path):
    """Which editors on Windows write."""
    path = write_splits(ds, protocol, tmp_path / "splits.json")
    marked = tmp_path / "marked.json"
    marked.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    prepared = protocol.prepare(ds)
    (one, _), (other, _) = (p.splits(prepared) for p in (protocol, read_splits(marked, protocol)))
    np.testing.assert_array_equal(one.test, other.test)
