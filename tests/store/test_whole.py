import pytest

from aa1xr.store.whole import whole_file


def test_whole_file__appears_at_the_end(tmp_path):
    target = tmp_path / "new" / "a.csv"
    with whole_file(target) as partial:
        partial.write_text("all of it")
        assert partial.suffix == ".csv"
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert list(target.parent.iterdir()) == [target]


def test_whole_file__or_not_at_all(tmp_path):
    def write():
        with whole_file(tmp_path / "a.csv") as partial:
            partial.write_text("half")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_whole_file__never_overwrites(tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="write elsewhere"), whole_file(tmp_path / "a.csv"):
        pass
    assert (tmp_path / "a.csv").read_text() == "mine"
