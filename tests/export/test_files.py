import pytest

from aa1xr.export.files import whole


def test_whole__appears_at_the_end(tmp_path):
    target = tmp_path / "new" / "a.csv"
    with whole(target) as partial:
        partial.write_text("all of it")
        assert partial.suffix == ".csv"
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert list(target.parent.iterdir()) == [target]


def test_whole__or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError, match="midway"), whole(tmp_path / "a.csv") as partial:
        partial.write_text("half")
        raise RuntimeError("midway")
    assert list(tmp_path.iterdir()) == []


def test_whole__never_overwrites(tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="write elsewhere"), whole(tmp_path / "a.csv"):
        pass
    assert (tmp_path / "a.csv").read_text() == "mine"
