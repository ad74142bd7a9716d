import subprocess
import sys

import pytest

from aa1xr import cli


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


@pytest.mark.parametrize("text", ["{'secret': 'hush'}", '["secret", "hush"]', '{"secret": "hush"'])
def test_main__options_that_are_no_json_are_not_shown(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["copy", "a.zarr", "s3://b/a.zarr", "--target-options", text])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "--target-options" in error
    assert "JSON" in error
    assert "hush" not in error


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

    monkeypatch.setattr("aa1xr.cli.info._run", interrupt)
    assert cli.main(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err
