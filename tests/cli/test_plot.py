import sys

from aa1xr import cli


def test_plot__writes_the_picture(sample_archive, tmp_path, capsys):
    out = tmp_path / "response.png"
    command = ["plot", "sim0000_1_B", "flatrip-00", str(sample_archive), "-o", str(out)]
    assert cli.main([*command, "--dt-ms", "1", "--before-ms", "500", "--after-ms", "200"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"{out}\n"


def test_plot__is_named_after_what_it_shows(sample_archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plot", "sim0000_1_B", "flatrip-00", str(sample_archive)]) == 0
    assert (tmp_path / "sim0000_1_B_flatrip-00.png").exists()


def test_plot__without_matplotlib_says_so(sample_archive, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert cli.main(["plot", "sim0000_1_B", "flatrip-00", str(sample_archive)]) == 1
    assert "pip install 'aa1xr[plot]'" in capsys.readouterr().err


def test_plot__writes_where_it_says(sample_archive, tmp_path, capsys):
    command = ["plot", "sim0000_1_B", "flatrip-00", str(sample_archive), "-o"]
    assert cli.main([*command, str(tmp_path)]) == 1
    assert "is a folder; name a file in it" in capsys.readouterr().err
    assert cli.main([*command, str(tmp_path / "picture")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'picture.png'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
