import io
import logging
import pickle
import time
from pathlib import PureWindowsPath

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import aa1xr
from aa1xr import arguments, cli, printable, summary
from aa1xr.benchmark.results_folder import Unit
from aa1xr.cli.options import json_object
from aa1xr.cli.output import _as_text
from aa1xr.errors import ArchiveError, DataNotFoundError, DownloadError, StoreError
from aa1xr.store.connection import Connection
from aa1xr.store.location import as_os_error, describe
from aa1xr.store.storage import open_storage

#: Moves a cursor, rings, turns the direction of writing, has no width, is no character.
HOSTILE = ("\x1b[2J", "\x07", "\u202e", "\u200b", "\udcff", "\x9b", "\u2028")
SECRET = "hunter2"
URLS = (
    f"https://me:{SECRET}@host/aa1.zarr",
    f"https://host/aa1.zarr?X-Amz-Signature={SECRET}&b=1",
    f"simplecache::https://{SECRET}@host/aa1.zarr",
    f"s3://key:{SECRET}@bucket/aa1.zarr",
)


@pytest.mark.parametrize("bad", HOSTILE)
def test_shown_text__has_no_character_that_acts(bad, capsys):
    text = f"MLd{bad}x"
    shown = [
        printable.printable(text),
        printable.message(text),
        arguments.shown(text),
        printable.plot_text(text),
        printable.cell_text(text),
        *(str(error(text)) for error in (ArchiveError, StoreError, DataNotFoundError)),
        summary.as_text({"source": {"source": text}, "title": text}),
        summary.as_html({"source": {"source": text}}),
    ]
    assert all(bad not in each for each in shown)
    with pytest.warns(aa1xr.AA1Warning) as caught:
        aa1xr.messages.warn(text, aa1xr.AA1Warning)
    assert bad not in str(caught[0].message)
    assert cli.main(["info", f"/tmp/{text}.zip"]) == 1
    assert bad not in capsys.readouterr().err


def test_errors__keep_their_lines_and_travel():
    error = pickle.loads(pickle.dumps(DownloadError("one\n  two")))
    assert str(error) == "one\n  two"
    assert len(str(StoreError("x" * 10**6))) == 4000


def test_command_line__escapes_what_is_logged(capsys):
    with cli._own_messages():
        logging.getLogger("aa1xr").warning("%s", f"{HOSTILE[0]} {URLS[0]}")
    err = capsys.readouterr().err
    assert HOSTILE[0] not in err
    assert SECRET not in err


@pytest.mark.parametrize(
    "label",
    [
        "x/../..",
        "..",
        ".",
        "",
        "a\\b",
        "a\0b",
        "CON",
        "x" * 300,
        "ä" * 300,
        "a.",
        "a:b",
        "$x",
        "nul.txt",
    ],
)
def test_file_name__stays_in_its_folder(label, tmp_path):
    name = printable.file_name(label)
    (tmp_path / name).touch()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len({printable.file_name(f"{label}{end}") for end in ("", "/", "_", "\0")}) == 4
    assert "/" not in str(Unit("ridge", label, 0, 0))


@pytest.mark.parametrize(
    "label", ["CON", "nul.txt", "con.x?", "LPT1", "COM².a.b", "AUX .x", "conin$"]
)
def test_file_name__is_no_device_of_windows(label):
    assert printable.is_name_on_windows(printable.file_name(label))
    assert not printable.is_name_on_windows(label)
    assert PureWindowsPath(printable.file_name(label)).name == printable.file_name(label)


def test_is_name_on_windows__keeps_ordinary_names():
    for name in ("gg0304_10.nwb", "con_1.nwb", "console", "com", "a.con", "sim0000_1_A"):
        assert printable.is_name_on_windows(name)


def test_file_name__keeps_ordinary_labels():
    for label in ("gg0304_10_B", "Field_L", "conspecific-00", "Ä x"):
        assert printable.file_name(label) == label


def test_benchmark__keeps_an_odd_area_in_its_folder(tmp_path):
    unit = Unit("ridge", "x/../../..", 0, 0)
    assert (tmp_path / str(unit)).resolve().parent == tmp_path


@pytest.mark.parametrize("label", [r"$\frac{", "$x_1$", "a$b", r"$$", "MLd"])
def test_plots__show_dollars_as_they_are(label):
    plt = pytest.importorskip("matplotlib.pyplot")
    ds = aa1xr.open_sample(dt_ms=40).isel(neuron=[0, 1], stimulus=[0, 1]).compute()
    ds = ds.assign_coords(
        neuron=[label, "b"], area=("neuron", [label, "b"]), type=("stimulus", [label, "b"])
    )
    axes = [
        aa1xr.plot.coverage(ds),
        aa1xr.plot.psth(ds.isel(stimulus=0)),
        aa1xr.plot.psth(ds.isel(stimulus=0, neuron=[0])),
        aa1xr.plot.quality(ds.assign(v=("neuron", [1.0, 2.0])), measure="v"),
    ]
    for ax in axes:
        ax.figure.savefig(io.BytesIO(), dpi=20)  # here mathtext is read
        plt.close(ax.figure)
    assert axes[2].get_title().replace("\\", "").startswith(label.replace("\\", ""))


def test_table__keeps_its_columns():
    scores = ("cc_norm", "cc_norm_deepstrf", "cc_raw")
    half = (("split", "seed", "stimulus_type", "neuron"), [[[[0.5]]]])
    coords = {"area": ("neuron", ["a|b\n|c|"]), "stimulus_type": ["song"]}
    result = xr.Dataset(dict.fromkeys(scores, half), coords, {"model": "`m`|"})
    lines = aa1xr.benchmark.table([result], published=False).split("\n")
    assert lines[3] == ""
    assert lines[2].replace(r"\|", "").count("|") == lines[0].count("|")


def test_csv__has_no_formula_and_gives_labels_back():
    labels = ["=1+1", "+1", "-1", "@x", "\tx", "'x", "''=x", "MLd", "a-1"]
    table = pd.DataFrame({"area": pd.Categorical(labels), "time_s": np.arange(9) - 4.5})
    written = _as_text(table.copy()).to_csv(index=False)
    read = pd.read_csv(io.StringIO(written), keep_default_na=False)
    assert not read.area.str.startswith(("=", "+", "-", "@", "\t")).any()
    assert read.area.str.replace(r"^'", "", regex=True).tolist() == labels
    assert read.time_s.tolist() == table.time_s.tolist()


@pytest.mark.parametrize("url", URLS)
def test_urls__show_no_secret(url):
    for shown in (
        describe(url),
        printable.message(f"no {url} there"),
        arguments.shown(url),
        repr(Connection(url)),
        Connection(url).url,
        str(StoreError(url)),
    ):
        assert SECRET not in shown
        assert "host" in shown or "bucket" in shown
    for error in (RuntimeError, PermissionError, ValueError):
        with pytest.raises(OSError, match=r"aa1\.zarr") as caught, as_os_error(url):
            raise error(f"{url} refused")
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None  # it would be shown below
    with pytest.raises(ValueError, match="data_dir") as refused:
        aa1xr.open(data_dir=url)
    assert SECRET not in str(refused.value)


def test_open__keeps_no_secret_of_a_url():
    ds = aa1xr.open_sample(dt_ms=40)
    aa1xr.copy_store(ds.encoding["source"], url := f"memory://me:{SECRET}@printable/aa1.zarr")
    there = aa1xr.open(url, dt_ms=40)
    assert SECRET not in open_storage(url).place
    assert SECRET not in f"{there.encoding}{there.attrs}{there!r}{there.aa1!r}"
    assert SECRET not in str(list(there.__dask_graph__()))
    assert len(aa1xr.to_pandas(there.isel(neuron=[0])))  # which finds its store all the same


def test_long_text__takes_no_time():
    start = time.perf_counter()
    for text in ("x" * 10**6, "a://" * 10**5, "a://?" * 10**5, "@" * 10**6):
        printable.message(text)
        arguments.shown(text)
    assert time.perf_counter() - start < 2


def test_options__come_from_a_file_or_standard_input(tmp_path, monkeypatch):
    (path := tmp_path / "options.json").write_text('{"key": "a"}')
    assert json_object(f"@{path}") == {"key": "a"}
    monkeypatch.setattr("sys.stdin", io.StringIO('{"key": "b"}'))
    assert json_object("-") == {"key": "b"}


@pytest.mark.parametrize("text", ["hunter2", "@/no/such/file", "@/", "[1]"])
def test_options__are_refused_by_name(text, capsys):
    with pytest.raises(SystemExit):
        raise SystemExit(cli.main(["info", "x.zarr", "--storage-options", text]))
    err = capsys.readouterr().err
    assert "--storage-options" in err
    assert SECRET not in err
