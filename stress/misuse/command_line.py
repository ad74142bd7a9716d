"""The command line: one line that says what is wrong, and no traceback."""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aa1xr.cli import main
from stress.misuse.case import Case, Inputs, refused


class RefusedError(Exception):
    """How a command ended that failed: what it wrote to stderr."""


def _call(t: Inputs, *words: Any, code: int) -> None:
    errors = io.StringIO()
    here = Path.cwd()
    os.chdir(t.work)  # for what is written by default
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            ended = main([str(word) for word in words])
    except SystemExit as exit_:
        ended = exit_.code
    finally:
        os.chdir(here)
    text = errors.getvalue()
    if ended == code and (code != 1 or text.count("aa1xr: error: ") == 1):
        raise RefusedError(text)
    raise AssertionError(f"ended with {ended}, expected {code}: {text}")


def _file(t: Inputs) -> Path:
    path = t.new(".txt")
    path.write_text("hello")
    return path


def _touched(t: Inputs, suffix: str) -> Path:
    path = t.new(suffix)
    path.touch()
    return path


Words = Callable[[Inputs], list[Any]]

#: command, what is typed, the words, what it says; refused by argparse, with exit code 2.
MISUSED: tuple[tuple[str, str, Words, str], ...] = (
    ("demo", "a misspelt option", lambda t: ["--ouput", "x.png"], "--ouput"),
    ("download", "a password", lambda t: ["--password", "secret"], "--password"),
    ("build", "a misspelt option", lambda t: ["--rebuilt"], "--rebuilt"),
    ("verify", "a misspelt option", lambda t: ["--deep"], "--deep"),
    ("copy", "no target", lambda t: [t.store], "TARGET"),
    ("copy", "options that are not JSON",
     lambda t: [t.store, t.new(), "--target-options", "key=1"], "--target-options.*not JSON"),
    ("copy", "options that are a list",
     lambda t: [t.store, t.new(), "--source-options", "[1]"], "expected an object"),
    ("benchmark", "a seed below zero", lambda t: [t.store, "--seeds", "-1"],
     "a seed must be a whole number, 0 or more; got '-1'|expected at least one"),
    ("benchmark", "a range of splits", lambda t: [t.store, "--split", "0-4"],
     "a split must be a whole number, 0 or more; got '0-4'"),
    ("info", "a misspelt option", lambda t: [t.store, "--jsn"], "--jsn"),
    ("info", "two sources", lambda t: [t.store, t.archive], "unrecognized arguments"),
    ("list", "nothing", lambda t: [], "TABLE"),
    ("list", "the quality of stimuli", lambda t: ["stimuli", t.store, "--quality"], "--quality"),
    ("list", "a misspelt table", lambda t: ["neuron", t.store], "'neuron'.*neurons"),
    ("quality", "no place", lambda t: [t.store], "--out"),
    ("quality", "a misspelt axis", lambda t: [t.store, "--by", "area", "-o", "q.csv"],
     "--by.*'area'.*neuron.*stimulus"),
    ("strf", "no place", lambda t: [t.store], "--out"),
    ("strf", "lags in words", lambda t: [t.store, "-o", "s.nc", "--lags-ms", "ten"],
     "--lags-ms.*'ten'"),
    ("explore", "a port in words", lambda t: [t.store, "--port", "http"], "--port.*'http'"),
    ("plot", "a neuron for a kind", lambda t: ["sim0000_1_A", "flatrip-00", t.store],
     "KIND.*'sim0000_1_A'.*response"),
    ("plot", "a measure of another kind", lambda t: ["raster", t.store, "--measure", "snr"],
     "--measure"),
    ("plot", "a bin width in words", lambda t: ["raster", "--dt-ms", "five"], "--dt-ms.*'five'"),
    ("export", "no format", lambda t: [t.store, "-o", t.new()], "--to"),
    ("export", "a misspelt format", lambda t: [t.store, "--to", "xlsx", "-o", t.new()],
     "--to.*'xlsx'.*csv.*nwb.*wav"),
    ("export", "no place", lambda t: [t.store, "--to", "csv"], "--out"),
    ("benchmark", "a misspelt protocol", lambda t: ["--protocol", "cv5"],
     "--protocol.*'cv5'.*cv10"),
    ("benchmark", "a misspelt area", lambda t: ["--area", "mld"], "--area.*'mld'.*MLd"),
    ("benchmark", "a seed in words", lambda t: ["--seeds", "one"], "--seeds.*'one'"),
    ("benchmark", "a model and a prediction",
     lambda t: ["--model", "gru", "--prediction", "x"], "not allowed with"),
    ("cite", "a format", lambda t: ["bibtex"], "unrecognized arguments: bibtex"),
)  # fmt: skip

#: The same of what the package refuses, with exit code 1.
FAILED: tuple[tuple[str, str, Words, str], ...] = (
    ("demo", "a folder for the picture", lambda t: ["--data-dir", t.data_dir, "-o", t.work],
     "is a folder; name a file in it"),
    ("demo", "a file for the data directory", lambda t: ["--data-dir", _file(t)],
     r"must be a folder for stores; got .*new-\d+.txt"),
    ("download", "terms that nobody accepted",
     lambda t: ["--data-dir", t.new(), "--username", "a"], "--accept-terms|accept_terms"),
    ("build", "nothing there", lambda t: [t.work / "no.zip"], "no.zip"),
    ("build", "a text file", lambda t: [_file(t), "--data-dir", t.data_dir], r"new-\d+.txt"),
    ("build", "no source, and no data", lambda t: ["--data-dir", t.new()], "no AA1 data in"),
    ("build", "the rebuild of a store", lambda t: ["--rebuild", t.store],
     "is a store; what it was built of is needed"),
    ("verify", "nothing there", lambda t: [t.work / "no.zarr"], "no.zarr"),
    ("verify", "a saved Dataset", lambda t: [t.saved], "aa1xr.load"),
    ("copy", "onto what is there", lambda t: [t.store, t.saved], "exists"),
    ("copy", "of nothing", lambda t: [t.work / "no.zarr", t.new(".zarr")], "no.zarr"),
    ("copy", "of a saved Dataset", lambda t: [t.saved, t.new(".zarr")], r"\.zarr"),
    ("info", "nothing there", lambda t: [t.work / "no.zip"], "no.zip"),
    ("info", "a saved Dataset", lambda t: [t.saved], "aa1xr.load"),
    ("info", "a text file", lambda t: [_file(t)], r"new-\d+.txt"),
    ("list", "a misspelt area", lambda t: ["neurons", t.store, "--area", "MLD"],
     "no area is 'MLD'; did you mean 'MLd'"),
    ("list", "CSV over what is there", lambda t: ["neurons", t.store, "--csv", _file(t)], "exists"),
    ("list", "nothing there", lambda t: ["neurons", t.work / "no.zip"], "no.zip"),
    ("quality", "a format that is unknown", lambda t: [t.store, "-o", t.new(".xlsx")],
     "must end in .csv, .csv.gz, .parquet, .nc; got .*xlsx"),
    ("quality", "over what is there",
     lambda t: [t.store, "-o", _touched(t, ".csv")], "csv exists; remove it"),
    ("strf", "over what is there", lambda t: [t.store, "-o", _touched(t, ".nc")],
     "nc exists; remove it"),
    ("strf", "lags of no bin", lambda t: [t.store, "-o", t.new(".nc"), "--lags-ms", "-5"],
     "lags_ms"),
    ("plot", "a misspelt neuron", lambda t: ["raster", t.store, "--neuron", "sim0000_1_C"],
     "no neuron is 'sim0000_1_C'; did you mean"),
    ("plot", "a misspelt stimulus", lambda t: ["raster", t.store, "--stimulus", "flatrip0"],
     "no stimulus is 'flatrip0'; did you mean"),
    ("plot", "a bin width in s", lambda t: ["coverage", t.store, "--dt-ms", ".005"],
     "dt_ms=0.005"),
    ("plot", "a window that is negative",
     lambda t: ["coverage", t.store, "--before-ms", "-100"], "before_ms must not"),
    ("plot", "a picture of a kind that is unknown",
     lambda t: ["coverage", t.store, "-o", t.new(".docx")], "docx.*png"),
    ("plot", "into a folder that is not there",
     lambda t: ["coverage", t.store, "-o", t.new() / "a.png"], "a.png"),
    ("plot", "over what is there", lambda t: ["coverage", t.store, "-o", _touched(t, ".png")],
     "png exists; remove it"),
    ("plot", "a stimulus that was not presented",
     lambda t: ["raster", t.store, "--neuron", "sim0000_2_A", "--stimulus", "conspecific-00"],
     "never presented"),
    ("explore", "nothing there", lambda t: [t.work / "no.zip"], "no.zip"),
    ("explore", "a port that there is not", lambda t: [t.store, "--port", "-1"], "port=-1"),
    ("benchmark", "a misspelt model", lambda t: [t.store, "--model", "lstm"],
     "model='lstm'; expected one of 'ridge'"),
    ("export", "a misspelt area",
     lambda t: [t.store, "--to", "csv", "-o", t.new(".csv"), "--area", "MLD"],
     "no area is 'MLD'; did you mean 'MLd'"),
    ("export", "a misspelt type",
     lambda t: [t.store, "--to", "csv", "-o", t.new(".csv"), "--type", "song"],
     "no type is 'song'"),
    ("export", "an area of wav files",
     lambda t: [t.store, "--to", "wav", "-o", t.new(), "--area", "MLd"],
     "--area must not be given with --to wav.*--type"),
    ("export", "bins of a table",
     lambda t: [t.store, "--to", "csv", "-o", t.new(".csv"), "--dt-ms", "1"],
     "--dt-ms must be given with --to netcdf; --to csv has no bins"),
    ("export", "a MAT-file by another name", lambda t: [t.store, "--to", "mat", "-o", t.new()],
     r"path must end in \.mat"),
    ("export", "wav into a file", lambda t: [t.store, "--to", "wav", "-o", _file(t)],
     r"new-\d+.txt"),
    ("export", "over what is there", lambda t: [t.store, "--to", "csv", "-o", _file(t)], "exists"),
    ("export", "CSV into a folder", lambda t: [t.store, "--to", "csv", "-o", t.work], "exists"),
    ("export", "NWB into a file", lambda t: [t.store, "--to", "nwb", "-o", _file(t)],
     r"new-\d+.txt"),
    ("export", "nothing there", lambda t: [t.work / "no.zip", "--to", "csv", "-o", t.new()],
     "no.zip"),
    ("benchmark", "the sample and a source", lambda t: [t.store, "--sample"],
     "give either --sample or"),
    ("plot", "a folder for the picture",
     lambda t: ["coverage", t.store, "-o", t.work],
     "is a folder; name a file in it"),
    ("benchmark", "a prediction that is not there",
     lambda t: [t.store, "--prediction", t.work / "no.zarr"], "no.zarr: no such store"),
    ("benchmark", "a saved Dataset without a prediction",
     lambda t: [t.store, "--prediction", t.saved], "no variable 'prediction'; it has: .*psth"),
    ("benchmark", "a file for the folder of results",
     lambda t: [t.store, "--out", _file(t)], r"new-\d+.txt"),
    ("benchmark", "nothing there", lambda t: [t.work / "no.zip"], "no.zip"),
)  # fmt: skip


def rows() -> Iterator[Case]:
    for table, code in ((MISUSED, 2), (FAILED, 1)):
        for command, mistake, words, says in table:
            yield refused(
                f"aa1xr {command}",
                mistake,
                lambda t, command=command, words=words, code=code: _call(
                    t, command, *words(t), code=code
                ),
                f"(?s){says}",
                RefusedError,
                elsewhere=True,
            )
    for mistake, words in (("no command", []), ("a misspelt command", ["plott"])):
        yield refused(
            "aa1xr",
            mistake,
            lambda t, words=words: _call(t, *words, code=2),
            "(?s)COMMAND.*(required|invalid choice: 'plott'.*plot)|required: COMMAND",
            RefusedError,
            elsewhere=True,
        )
