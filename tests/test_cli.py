import subprocess
import sys

import pytest

from aa1xr import cli


def test_demo__goes_all_the_way(tmp_path, capsys, sample_archive):
    assert cli.main(["demo", "--out", str(tmp_path / "demo.png")]) == 0
    out = capsys.readouterr().out
    assert "<xarray.Dataset>" in out
    assert "Field_L" in out
    assert "MLd" in out
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_demo__without_matplotlib_says_so(tmp_path, capsys, sample_archive, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(["demo", "-o", str(tmp_path / "demo.png")]) == 0
    assert "pip install 'aa1xr[plot]'" in capsys.readouterr().out
    assert not (tmp_path / "demo.png").exists()


def test_build__prints_the_store(sample_archive, sample_store, capsys):
    assert cli.main(["build", str(sample_archive)]) == 0
    assert capsys.readouterr().out.strip() == str(sample_store)


@pytest.mark.parametrize("source", ["sample_archive", "sample_store"])
def test_info__counts(source, request, capsys):
    assert cli.main(["info", str(request.getfixturevalue(source))]) == 0
    out = capsys.readouterr().out
    assert "12 (6 Field_L, 6 MLd)" in out
    assert "15 (10 conspecific, 5 flatrip)" in out
    assert "1775 in 170 of 180 pairs" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "nothing.zip"], 1, "no such file or folder"),
        (["info", "--data-dir", "nowhere"], 1, "Three ways on"),
        (["build", __file__], 1, "not a complete zip file"),
        (["undo"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_main__errors_have_no_traceback(arguments, code, message):
    done = subprocess.run(
        [sys.executable, "-m", "aa1xr", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_main__help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("demo", "build", "info"))
    with pytest.raises(SystemExit):
        cli.main(["build", "--help"])
    assert "--data-dir" in capsys.readouterr().out


def test_main__interrupted(monkeypatch, capsys, sample_archive):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_info", interrupt)
    assert cli.main(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err
