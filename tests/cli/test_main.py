import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import aa1xr
from aa1xr import cli


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


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KeyError("no neuron is 'x'; did you mean 'y'?"), "no neuron is 'x'; did you mean 'y'?"),
        (ImportError("torch is not installed"), "torch is not installed"),
        (KeyError("contents"), "KeyError: contents; `aa1xr --traceback ...` shows where"),
        (TypeError("odd"), "TypeError: odd; `aa1xr --traceback ...` shows where"),
        (RuntimeError("odd"), "RuntimeError: odd; `aa1xr --traceback ...` shows where"),
        (MemoryError(), "MemoryError"),
        (ValueError(), "ValueError"),
    ],
)
def test_main__any_error_is_said_without_a_traceback(error, says, monkeypatch, capsys):
    def fail(args):
        raise error

    monkeypatch.setattr("aa1xr.cli.info._run", fail)
    assert cli.main(["info"]) == 1
    assert capsys.readouterr().err == f"aa1xr: error: {says}\n"
    with pytest.raises(type(error)):
        cli.main(["--traceback", "info"])


def test_main__warnings_are_lines(monkeypatch, capsys):
    def warn(args):
        warnings.simplefilter("always")
        warnings.warn("mind this", aa1xr.AA1Warning, stacklevel=1)

    monkeypatch.setattr("aa1xr.cli.info._run", warn)
    before = warnings.showwarning
    assert cli.main(["info"]) == 0
    assert capsys.readouterr().err == "aa1xr: warning: mind this\n"
    assert warnings.showwarning is before


@pytest.mark.parametrize(
    ("arguments", "unbuffered"), [(["cite"], ""), (["cite"], "1"), (["--help"], "")]
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_main__a_reader_that_has_gone_is_no_error(arguments, unbuffered):
    with subprocess.Popen(
        [sys.executable, "-m", "aa1xr", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    ) as process:
        process.stdout.close()  # as head does, here before anything is written
        errors = process.stderr.read()
    assert errors == b""
    # Some releases of argparse take no notice where a help cannot be written.
    assert process.returncode == 141 or arguments == ["--help"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full disk to write to")
def test_main__a_full_disk_is_an_error():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "aa1xr", "cite"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("aa1xr: error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other homes")
def test_main__without_a_home_says_what_to_set(tmp_path):
    # As in a container: no $HOME, and a user that passwd does not list.
    code = (
        "import os, pwd, sys\n"
        "def none(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = none\n"
        "from aa1xr import cli\n"
        "download = ['download', '--data-dir', 'data', '--accept-terms']\n"
        "sys.exit(cli.main(['info']) + cli.main(download))\n"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"HOME", "AA1XR_DATA_DIR", "XDG_CACHE_HOME"}
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "$AA1XR_DATA_DIR" in done.stderr
    assert "needs an account there" in done.stderr
    assert "Traceback" not in done.stderr


def test_version__stands_in_one_place():
    package = Path(aa1xr.__file__).parent
    for path in package.rglob("*.py"):
        if path.name != "version.py":
            assert "metadata.version" not in path.read_text("utf-8"), path
            assert "metadata import version" not in path.read_text("utf-8"), path
            assert f'"{aa1xr.__version__}"' not in path.read_text("utf-8"), path
    citation = package.parent / "CITATION.cff"
    assert f"version: {aa1xr.__version__}\n" in citation.read_text("utf-8")
