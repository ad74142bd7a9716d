"""Names of folders and files that act on a terminal: no command lets one of them through."""

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr import cli

#: Clears a screen, adds a line, turns the direction of writing, is a control of eight bits.
HOSTILE = "x\x1b[2J\ny\u202ez\x9b"

#: With {folder} for a folder of this name, {store} and {archive} for those in it.
COMMANDS = [
    # What is right: the place is printed.
    (0, "build {archive} --data-dir {folder}"),
    (0, "build {archive} --rebuild --data-dir {folder}"),
    (0, "verify {store}"),
    (0, "info {store}"),
    (0, "info {store} --json"),
    (0, "copy {store} {folder}/copy.zarr"),
    (0, "copy {store} memory://{name}/copy.zarr"),
    (0, "demo -o {folder}/demo.png --data-dir {folder}"),
    (0, "list neurons {store}"),
    (0, "list stimuli {store} --csv -"),
    (0, "list trials {store} --csv {folder}/t{name}.csv --area MLd"),
    (0, "quality {store} -o {folder}/q{name}.nc --area MLd"),
    (0, "strf {store} -o {folder}/s{name}.csv --area MLd"),
    (0, "plot response {store} --neuron {neuron} --stimulus conspecific-00 -o {folder}/{name}.png"),
    (0, "export {store} --to mat -o {folder}/{name}.mat --area MLd"),
    (0, "export {store} --to netcdf -o {folder}/{name}.nc --area MLd"),
    (0, "export {store} --to csv -o {folder}/{name}.csv --area MLd"),
    (0, "export {store} --to nwb -o {folder}/nwb --area MLd"),
    # What is wrong: the place is in an error.
    *((1, f"{command} {{folder}}/none") for command in ("build", "verify", "info", "info --json")),
    *((1, f"{command} {{empty}}") for command in ("build", "verify", "info")),
    *((1, f"{command} {{broken}}") for command in ("build", "verify", "info")),
    *((1, f"{command} {{text}}") for command in ("build", "verify", "info")),
    *((1, f"{command} --data-dir {{empty}}") for command in ("build", "verify", "info")),
    *((1, f"{command} --data-dir {{text}}") for command in ("build", "verify", "demo", "download")),
    (1, "build {store} --rebuild"),
    (1, "build {archive} --data-dir s3://{name}"),
    (1, "build {archive} --data-dir $x/{name}"),
    (1, "info nothing://{name}"),
    (1, "info {several}"),
    (1, "copy {store} {folder}"),
    (1, "copy {store} {text}"),
    (1, "copy {folder}/none {folder}/there"),
    (1, "demo -o {folder}"),
    (1, "demo -o {folder}/a/b.png"),
    (1, "demo -o {folder}/a.{name}"),
    (1, "list neurons {store} --csv {text}"),
    (1, "list neurons {store} --animal {name}"),
    (1, "quality {store} -o {text}"),
    (1, "quality {store} -o {folder}/q.nc --neuron {name}"),
    (1, "strf {store} -o {folder}/s.nc --stimulus {name}"),
    (1, "plot raster {store} --neuron {name} -o {folder}/b.png"),
    (1, "plot raster {store} --stimulus {name} -o {folder}/b.png"),
    (1, "plot quality {store} --measure {name} -o {folder}/b.png"),
    (1, "plot coverage {store} -o {folder}"),
    (1, "export {store} --to mat -o {folder}/{name}.csv"),
    (1, "export {store} --to csv -o {text}"),
    (1, "export {store} --to csv -o {text}/a.csv"),
    (1, "export {store} --to csv -o {folder}/c.csv --area {name}"),
    (1, "benchmark {store} --out {text}"),
    (1, "benchmark {store} --prediction {folder}/none"),
    (1, "benchmark {store} --prediction {saved}"),
    (1, "benchmark {store} --sample"),
    (1, "benchmark {store} --scheduler {name}"),
    # What is not understood.
    (2, "{name}"),
    (2, "cite {name}"),
    (2, "cite --{name}"),
    (2, "info {store} --storage-options {name}"),
    (2, "info {store} --storage-options @{folder}/none"),
    (2, "export {store} --to {name} -o x"),
    (2, "export {store} --to csv -o s3://{name}"),
    (2, "list {name}"),
    (2, "list neurons {store} --csv s3://{name}"),
    (2, "plot {name}"),
    (2, "plot raster --dt-ms {name}"),
    (1, "benchmark --model {name}"),
    (2, "benchmark --seeds {name}"),
]


@pytest.fixture(scope="module")
def places(sample_archive, sample_store, tmp_path_factory):
    """Places in a folder of a hostile name, itself of one where a name can be."""
    folder = tmp_path_factory.mktemp("escapes") / HOSTILE
    names = {
        name: folder / f"{name}{HOSTILE}"
        for name in ("archive", "store", "empty", "broken", "text", "several", "saved")
    }
    folder.mkdir()
    shutil.copy(sample_archive, names["archive"])
    shutil.copytree(sample_store, names["store"])
    names["empty"].mkdir()
    shutil.copytree(sample_store, names["broken"])
    (names["broken"] / "zarr.json").write_text(HOSTILE)
    names["text"].write_text(HOSTILE)
    names["several"].mkdir()
    for n in range(2):
        shutil.copy(sample_archive, names["several"] / f"{HOSTILE}{n}.zip")
    aa1xr.save(xr.Dataset({HOSTILE: ("x", np.arange(3))}), names["saved"])
    neuron = aa1xr.open(sample_store).neuron.values[0]
    return {**names, "folder": folder, "name": HOSTILE, "neuron": neuron}


def acts(text):
    """The characters of a text that do something on a terminal, other than ending a line."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl"}}


@pytest.mark.parametrize(("code", "command"), COMMANDS)
def test_main__shows_no_character_that_acts(code, command, places, capfdbinary, monkeypatch):
    monkeypatch.chdir(places["folder"])
    monkeypatch.setenv("AA1XR_CRCNS_SITE", "http://127.0.0.1:9")
    arguments = [part.format(**places) for part in command.split(" ")]
    try:
        found = cli.main(arguments)
    except SystemExit as stopped:
        found = stopped.code
    out, err = capfdbinary.readouterr()
    assert found == code, err
    for shown in (out.decode(), err.decode()):
        assert acts(shown) == set()
        # Nor does a name end a line: what came after it would pass for a line of ours.
        assert not any(line.startswith("y") for line in shown.splitlines())


def test_logger__shows_no_character_that_acts(caplog):
    aa1xr.messages.logger.warning("%s: %s of %d", Path(HOSTILE), ValueError(HOSTILE), 3)
    assert acts(caplog.text) == set()
    assert "\ny" not in caplog.text
