from aa1xr import cli


def test_demo__goes_all_the_way(tmp_path, capsys, sample_archive):
    assert cli.main(["demo", "--out", str(tmp_path / "demo.png")]) == 0
    out = capsys.readouterr().out
    assert "<xarray.Dataset>" in out
    assert "Field_L" in out
    assert "MLd" in out
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_demo__without_matplotlib_says_so(tmp_path, capsys, sample_archive, monkeypatch):
    monkeypatch.setattr("aa1xr.cli.demo.find_spec", lambda name: None)
    assert cli.main(["demo", "-o", str(tmp_path / "demo.png")]) == 0
    assert "the extra plot of aa1xr" in capsys.readouterr().out
    assert not (tmp_path / "demo.png").exists()
