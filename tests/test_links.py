"""Links, pipes and folders in the place of every file that is written or removed.

What a link leads to is its owner's: nothing enters, empties, changes or removes it. Stores have
more names, and tests of their own (store/test_links.py); so has the download
(archive/download/test_bounds.py).
"""

import os

import pytest

import aa1xr
from aa1xr import cli
from aa1xr.atomic import atomic_write, discard
from aa1xr.benchmark import MODELS, run
from aa1xr.store.read import Store
from tests.links_and_pipes import KINDS, LINKS, no_waiting
from tests.store.restore import restore_archive

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")


def write_file(ds, path):
    with atomic_write(path) as partial:
        partial.write_text("new")


def replace_file(ds, path):
    with atomic_write(path, replace=True) as partial:
        partial.write_text("new")


def command(*words):
    def call(ds, path):
        code = cli.main([word.format(store=ds.encoding["source"], path=path) for word in words])
        if code:
            raise OSError("the command line says why")

    return call


#: What writes one new thing, and refuses what is there.
NEW = {
    "a.txt": write_file,
    "saved.zarr": lambda ds, path: aa1xr.save(ds[["n_trials"]], path),
    "copy.zarr": lambda ds, path: aa1xr.copy_store(ds.encoding["source"], path),
    "sim.zip": lambda ds, path: aa1xr.simulate_archive(
        path, n_neurons=1, n_songs=0, n_ripples=1, n_trials=1
    ),
    "sim": lambda ds, path: aa1xr.simulate_archive(
        path, n_neurons=1, n_songs=0, n_ripples=1, n_trials=1
    ),
    "again.zip": lambda ds, path: restore_archive(Store(ds.encoding["source"]), path),
    "sim0000_1.nwb": lambda ds, path: aa1xr.to_nwb(
        ds.sel(neuron=["sim0000_1_A"], type="flatrip"), path.parent
    ),
    "flatrip-00.wav": lambda ds, path: aa1xr.to_wav(ds.sel(stimulus="flatrip-00"), path.parent),
    "a.csv": command("export", "{store}", "--to", "csv", "-o", "{path}", "--area", "MLd"),
    "a.mat": command("export", "{store}", "--to", "mat", "-o", "{path}", "--area", "MLd"),
    "a.nc": command("quality", "{store}", "-o", "{path}", "--area", "MLd"),
    "b.csv": command("list", "stimuli", "{store}", "--csv", "{path}"),
    "b.png": command("plot", "coverage", "{store}", "-o", "{path}"),
}
#: What replaces a file of its own.
REPLACED = {
    "b.txt": replace_file,
    "a.png": command("plot", "coverage", "{store}", "-o", "{path}", "--overwrite"),
    "demo.png": command("demo", "-o", "{path}"),
}


@pytest.fixture(scope="module")
def ds(sample_store):
    return aa1xr.open(sample_store)


@pytest.fixture
def needs(request):
    """Skip what needs a package that is not there."""
    name = request.getfixturevalue("name")
    if name.endswith(".nwb"):
        pytest.importorskip("pynwb")
    if name.endswith(".png"):
        pytest.importorskip("matplotlib")


FEW = ("link to a folder", "dangling link", "pipe")  # of what is slow and goes the same way
SLOW = ("again.zip", "sim0000_1.nwb", "a.csv", "a.mat", "a.nc", "b.csv", "b.png")


@pytest.mark.usefixtures("needs")
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in NEW for kind in (FEW if name in SLOW else (*KINDS, "folder"))],
)
def test_write__refuses_whatever_is_there(name, kind, ds, home, tmp_path, capsys):
    path = tmp_path / "out" / name
    home.put(kind, path)
    before = path.lstat()
    with no_waiting(), pytest.raises((OSError, ValueError)) as error:
        NEW[name](ds, path)
    assert str(path) in f"{error.value}{capsys.readouterr().err}"
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert [path.name for path in path.parent.iterdir()] == [name]


@pytest.mark.usefixtures("needs", "capsys")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("b.txt", kind) for kind in (*LINKS, "hard link")),
        *(("a.png", kind) for kind in ("link to a file", "dangling link", "hard link")),
        ("demo.png", "link to a file"),
    ],
)
def test_replace__sets_links_aside(name, kind, ds, home, tmp_path):
    path = tmp_path / "out" / name
    home.put(kind, path)
    REPLACED[name](ds, path)
    assert path.lstat().st_size > 0
    assert not path.is_symlink()
    assert [path.name for path in path.parent.iterdir()] == [name]


@pytest.mark.usefixtures("needs", "capsys")
@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("name", ["b.txt", "a.png"])
def test_replace__refuses_what_is_no_file(name, kind, ds, home, tmp_path):
    path = tmp_path / "out" / name
    home.put(kind, path)
    with no_waiting(), pytest.raises(OSError):  # noqa: PT011 - named by the command line
        REPLACED[name](ds, path)
    assert not path.is_file()
    assert kind == "pipe" or (path / "thesis.txt").read_text() == "years of work"


@pytest.mark.usefixtures("needs", "capsys")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a.txt", "saved.zarr", "b.txt"])
def test_write__goes_by_no_lock_that_is_a_link(name, kind, ds, home, tmp_path):
    path = tmp_path / "out" / name
    home.put(kind, path.with_name(f".{name}.aa1xr-lock"))
    home.put(kind, path.with_name(f".{'0' * 32}.aa1xr-partial.{name}"))
    home.put(kind, path.with_name(f".{'1' * 32}.aa1xr-partial.other"))
    with no_waiting():
        (NEW | REPLACED)[name](ds, path)
    assert path.exists()
    assert [path.name for path in path.parent.iterdir()] == [name]


def test_write__overwrites_nothing_that_came_in_the_meantime(tmp_path):
    path = tmp_path / "a.csv"

    def write():
        with atomic_write(path) as partial:
            partial.write_text("new")
            path.write_text("of another program")

    with pytest.raises(FileExistsError, match=r"a\.csv exists"):
        write()
    assert path.read_text() == "of another program"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_write__where_there_are_no_hard_links(tmp_path, monkeypatch):
    def none(*_):
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", none)
    write_file(None, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_discard__removes_no_folder_unless_told(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("years of work")
    with pytest.raises(IsADirectoryError, match="move it elsewhere, it is not removed"):
        discard(tmp_path / "a")
    assert (tmp_path / "a" / "thesis.txt").exists()
    discard(tmp_path / "a", folder=True)
    assert not (tmp_path / "a").exists()


# Results of a benchmark


@pytest.fixture
def guess(monkeypatch):
    """A model that needs no time, and leaves a checkpoint as networks do."""

    def model(known, split, sounds, seed, checkpoint):
        replace_file(None, checkpoint)
        replace_file(None, checkpoint.with_name(f"{checkpoint.name}-0"))
        return sounds.spectrogram.sum("freq").expand_dims(neuron=known.neuron.values)

    monkeypatch.setitem(MODELS, "guess", model)


@pytest.fixture
def benchmark(ds, guess, tmp_path):
    protocol = aa1xr.benchmark.PROTOCOLS["rancon2025"]
    ds = aa1xr.open(ds.encoding["source"], **protocol.options)
    return lambda: run(ds, protocol, "guess", areas=["MLd"], path=tmp_path / "out")


UNIT = "guess-MLd-00-0"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["out", "out/zarr.json", f"out/{UNIT}"])
def test_run__enters_nothing_that_is_a_link(name, kind, benchmark, home, tmp_path):
    if (name, kind) == ("out", "link to a folder"):
        pytest.skip("the folder that the user names")
    home.put(kind, tmp_path / name)
    with no_waiting(), pytest.raises((OSError, ValueError), match=name.replace("out/", "")):
        benchmark()


@pytest.mark.parametrize("kind", [*LINKS, "hard link"])
@pytest.mark.parametrize("end", ["", "-0"])
def test_run__removes_checkpoints_and_not_what_they_lead_to(end, kind, benchmark, home, tmp_path):
    home.put(kind, tmp_path / "out" / f"{UNIT}.unfinished{end}")
    mine = tmp_path / "out" / f"{UNIT}.unfinished-notes.txt"
    mine.write_text("mine")
    benchmark()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [UNIT, mine.name, "zarr.json"]


@pytest.mark.parametrize("area", ["../../home", "a/b", "..", "a\\b", ""])
def test_run__an_area_leads_nowhere(area, ds, guess, home, tmp_path):
    protocol = aa1xr.benchmark.PROTOCOLS["rancon2025"]
    ds = aa1xr.open(ds.encoding["source"], **protocol.options)
    ds = ds.assign_coords(area=("neuron", [area] * ds.sizes["neuron"]))
    with pytest.raises(ValueError, match="area must be a name that a file can have"):
        run(ds, protocol, "guess", path=tmp_path / "out" / "deep")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def training():
    """What a checkpoint is written of."""
    pytest.importorskip("torch", reason="needs torch")
    from aa1xr.benchmark.training import _Training

    class Small(_Training):
        _KEPT, _parts = ("epoch",), {}
        device, epoch = "cpu", 3

        def __init__(self) -> None:
            pass

    return Small()


@pytest.mark.parametrize("kind", [*KINDS, "folder"])
def test_training__goes_by_no_checkpoint_that_is_a_link(kind, training, home, tmp_path):
    path = tmp_path / "out" / "state"
    home.put(kind, path)
    home.put(kind, path.with_name("state.new"))
    with no_waiting(), pytest.raises(ValueError, match="state"):
        training.restore(path, "label")
    if kind in (*LINKS, "hard link"):
        training.save(path, "label")
        training.restore(path, "label")
    else:
        with no_waiting(), pytest.raises(FileExistsError, match="state exists"):
            training.save(path, "label")
