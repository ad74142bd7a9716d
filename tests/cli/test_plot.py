import sys

import pytest

from aa1xr import cli
from aa1xr.cli.plot import KINDS

ONE = ["--neuron", "sim0000_1_B", "--stimulus", "flatrip-00"]


@pytest.fixture
def plot(sample_archive):
    return lambda kind, *words: cli.main(["plot", kind, *map(str, words), str(sample_archive)])


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_plot__draws_every_kind(plot, kind, tmp_path, capsys):
    out = tmp_path / "picture.png"
    selected = {"coverage": [], "quality": ["--type", "flatrip"], "strf": ONE[:2]}
    selected["strfs"] = ["--area", "MLd"]
    assert plot(kind, *selected.get(kind, ONE), "-o", out, "--dt-ms", 10) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"{out}\n"


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_plot__takes_options(plot, tmp_path):
    window = ["--dt-ms", 1, "--before-ms", 500, "--after-ms", 200]
    assert plot("response", *ONE, *window, "-o", tmp_path / "a.svg") == 0
    quality = ["--area", "MLd", "--measure", "snr"]
    assert plot("quality", *quality, "-o", tmp_path / "b.svg") == 0
    text = (tmp_path / "b.svg").read_text()
    assert "signal power over noise power" in text
    assert "Field_L" not in text


def test_plot__is_named_after_what_it_shows(plot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plot("raster", *ONE) == 0
    assert plot("coverage") == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["coverage.png", "raster_sim0000_1_B_flatrip-00.png"]


def test_plot__without_matplotlib_says_so(plot, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert plot("coverage") == 1
    assert "the extra plot of aa1xr" in capsys.readouterr().err


def test_plot__writes_where_it_says(plot, tmp_path, capsys):
    assert plot("coverage", "-o", tmp_path) == 1
    assert "is a folder; name a file in it" in capsys.readouterr().err
    assert plot("coverage", "-o", tmp_path / "picture") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'picture.png'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_plot__overwrites_only_if_told(plot, tmp_path, capsys):
    (out := tmp_path / "picture.png").write_text("mine")
    assert plot("coverage", "-o", out) == 1
    assert "picture.png exists" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert plot("coverage", "-o", out, "--overwrite") == 0
    assert out.read_bytes().startswith(b"\x89PNG")
