"""Opening, saving, copying and simulating: what is at a path, and what is asked of it."""

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from aa1xr.errors import ArchiveError, DataNotFoundError, DownloadError, StoreError
from stress.misuse.case import Case, Errors, Inputs, refused, works
from stress.misuse.datasets import same

NO_PATHS: dict[str, Callable[[Inputs], Any]] = {
    "a Dataset": lambda t: t.ds,
    "a number": lambda t: 5,
    "bytes": lambda t: b"aa1.zip",
    "a list of paths": lambda t: [t.archive],
    "an open file": lambda t: io.BytesIO(),
    "a function": lambda t: aa1xr.open,
}
PATHS: dict[str, tuple[str, Callable[[Inputs, Any], Any]]] = {
    "open": ("source", lambda t, path: aa1xr.open(path, data_dir=t.data_dir)),
    "load": ("path", lambda t, path: aa1xr.load(path)),
    "save": ("path", lambda t, path: aa1xr.save(t.ds, path)),
    "copy_store": ("target", lambda t, path: aa1xr.copy_store(t.store, path)),
    "simulate_archive": ("path", lambda t, path: aa1xr.simulate_archive(path, n_neurons=1)),
    "to_nwb": ("path", lambda t, path: aa1xr.to_nwb(t.ds, path)),
    "to_wav": ("path", lambda t, path: aa1xr.to_wav(t.ds, path)),
    "open_dataset": ("filename_or_obj", lambda t, path: xr.open_dataset(path, engine="aa1xr")),
    "benchmark.run": (
        "path",
        lambda t, path: aa1xr.benchmark.run(t.fine, t.protocol, path=path),
    ),
}


def paths() -> Iterator[Case]:
    for name, (argument, call) in PATHS.items():
        for what, make in NO_PATHS.items():
            yield refused(
                name,
                f"{what} for a path",
                lambda t, call=call, make=make: call(t, make(t)),
                rf"{argument} is .*; expected a path or URL",
                TypeError,
            )
    for name in ("load", "save", "copy_store", "simulate_archive", "to_nwb", "to_wav"):
        argument, call = PATHS[name]
        yield refused(
            name,
            "None for a path",
            lambda t, call=call: call(t, None),
            f"{argument} is NoneType; expected a path or URL",
            TypeError,
        )


def _nothing(t: Inputs) -> Path:
    return t.work / "nothing.zip"


def _file(t: Inputs, text: str = "hello") -> Path:
    path = t.new(".txt")
    path.write_text(text)
    return path


def _folder(t: Inputs) -> Path:
    path = t.new()
    path.mkdir()
    return path


def _engine(t: Inputs, **options: Any) -> xr.Dataset:
    return xr.open_dataset(t.store, engine="aa1xr", **options)


#: name, what is typed, the call, what the error says, and what kind of error it is.
ROWS: tuple[tuple[str, str, Callable[[Inputs], Any], str, Errors], ...] = (
    ("open", "a path where nothing is", lambda t: aa1xr.open(_nothing(t)),
     "nothing.zip: (no such|there is nothing)", DataNotFoundError),
    ("open", "a misspelt path in a string", lambda t: aa1xr.open(f"{t.archive}x"),
     "cells.zipx", DataNotFoundError),
    ("open", "a store where nothing is", lambda t: aa1xr.open(t.work / "no.zarr"),
     "no.zarr", DataNotFoundError),
    ("open", "a text file", lambda t: aa1xr.open(_file(t), data_dir=t.data_dir),
     r"new-\d+.txt", ArchiveError),
    ("open", "an empty file", lambda t: aa1xr.open(_file(t, ""), data_dir=t.data_dir),
     r"new-\d+.txt", ArchiveError),
    ("open", "an empty folder", lambda t: aa1xr.open(_folder(t), data_dir=t.data_dir),
     r"new-\d+", ArchiveError),
    ("open", "what aa1xr.save wrote", lambda t: aa1xr.open(t.saved), r"\.zarr.*aa1xr\.load",
     StoreError),
    ("open", "an empty data directory", lambda t: aa1xr.open(data_dir=_folder(t)),
     r"(?s)no AA1 data in .*aa1xr.open\(download=True\)", DataNotFoundError),
    ("open", "a file for the data directory", lambda t: aa1xr.open(data_dir=_file(t)),
     "data_dir must be a folder for stores; got .*which is a file", NotADirectoryError),
    ("open", "a number for the data directory", lambda t: aa1xr.open(t.archive, data_dir=5),
     "data_dir is int; expected a path", TypeError),
    ("open", "a source and a download", lambda t: aa1xr.open(t.archive, download=True),
     "source=.* and download=True.*leave out one", ValueError),
    ("open", "a download without a terminal to accept terms on",
     lambda t: aa1xr.open(download=True, data_dir=_folder(t), username="a", password="b"),
     "accept_terms=True|--accept-terms", DownloadError),
    ("open", "a URL of a scheme that is unknown", lambda t: aa1xr.open("s4://bucket/aa1.zarr"),
     "s4://bucket/aa1.zarr: Protocol not known: s4", OSError),
    ("build", "a path where nothing is", lambda t: aa1xr.build(_nothing(t)), "nothing.zip",
     DataNotFoundError),
    ("build", "a store that is to be rebuilt", lambda t: aa1xr.build(t.store, rebuild=True),
     "is a store; what it was built of is needed", ValueError),
    ("verify", "what aa1xr.save wrote", lambda t: aa1xr.verify(t.saved), r"\.zarr", StoreError),
    ("verify", "a Dataset", lambda t: aa1xr.verify(t.ds), "source is Dataset", TypeError),
    ("download", "no terminal to accept terms on",
     lambda t: aa1xr.download(data_dir=_folder(t), username="a", password="b"),
     "accept_terms=True|--accept-terms", DownloadError),
    ("open_dataset", "the archive", lambda t: xr.open_dataset(t.archive, engine="aa1xr"),
     "cells.zip.*aa1xr.open", (StoreError, DataNotFoundError)),
    ("open_dataset", "nothing", lambda t: xr.open_dataset(_nothing(t), engine="aa1xr"),
     "nothing.zip", DataNotFoundError),
    ("open_dataset", "what aa1xr.save wrote", lambda t: xr.open_dataset(t.saved, engine="aa1xr"),
     "aa1xr.load", StoreError),
    # Saved Datasets.
    ("load", "nothing", lambda t: aa1xr.load(t.work / "no.zarr"),
     "no.zarr: no such store.*aa1xr.sa",
     DataNotFoundError),
    ("load", "the archive", lambda t: aa1xr.load(t.archive), "cells.zip: no Zarr.*aa1xr.open",
     StoreError),
    ("load", "a store, not a saved Dataset", lambda t: aa1xr.load(t.store), r"aa1xr\.open",
     StoreError),
    ("load", "a text file", lambda t: aa1xr.load(_file(t)), "no Zarr store", StoreError),
    ("load", "an empty folder", lambda t: aa1xr.load(_folder(t)), "no Zarr store", StoreError),
    ("save", "over what is there", lambda t: aa1xr.save(t.ds, t.saved), "exists", FileExistsError),
    ("save", "over a file", lambda t: aa1xr.save(t.ds, _file(t)), "exists", FileExistsError),
    ("save", "over a folder", lambda t: aa1xr.save(t.ds, _folder(t)), "exists", FileExistsError),
    ("copy_store", "over what is there", lambda t: aa1xr.copy_store(t.store, t.saved), "exists",
     FileExistsError),
    ("copy_store", "onto itself", lambda t: aa1xr.copy_store(t.store, t.store), "exists",
     FileExistsError),
    ("copy_store", "of nothing",
     lambda t: aa1xr.copy_store(_nothing(t), t.new(".zarr")), "nothing.zip", DataNotFoundError),
    ("copy_store", "of what aa1xr.save wrote",
     lambda t: aa1xr.copy_store(t.saved, t.new(".zarr")), r"\.zarr", StoreError),
    ("simulate_archive", "over what is there",
     lambda t: aa1xr.simulate_archive(t.archive, n_neurons=1, n_songs=1, n_ripples=1), "exists",
     FileExistsError),
    # Events.
    ("sounds", "a list", lambda t: aa1xr.sounds([t.ds]), "source is list", TypeError),
    ("sounds", "a Dataset and a data directory",
     lambda t: aa1xr.sounds(t.ds, data_dir=t.data_dir), "data_dir= is for a path", ValueError),
    ("sounds", "a rate at which a bin is no whole number of samples",
     lambda t: aa1xr.sounds(t.ds, sample_rate=44_123),
     "sample_rate=44123 .* 20 ms.*44100 or 44150 Hz", ValueError),
    ("sounds", "a rate of half a sample", lambda t: aa1xr.sounds(t.ds, sample_rate=0.5),
     "sample_rate=0.5", ValueError),
    ("sounds", "resampled integers",
     lambda t: aa1xr.sounds(t.ds, sample_rate=16_000, dtype="int16"), "leave out dtype",
     ValueError),
    ("sounds", "another dtype", lambda t: aa1xr.sounds(t.ds, dtype="float64"), "dtype='float64'",
     ValueError),
    ("sounds", "no stimuli any more", lambda t: aa1xr.sounds(t.ds.drop_vars("stimulus")),
     "no coordinate 'stimulus'", ValueError),
    ("sounds", "bins with gaps", lambda t: aa1xr.sounds(t.ds.isel(time=[0, 1, 5])),
     "adjacent bins", ValueError),
    ("spectrogram", "a kind that does not exist", lambda t: aa1xr.spectrogram(t.ds, "cochlea"),
     "kind='cochlea'; expected one of 'mel', 'gaussian', 'gammatone'", ValueError),
    ("spectrogram", "an option of another kind",
     lambda t: aa1xr.spectrogram(t.ds, "gaussian", n_mels=8), "n_mels is not an option of kind=",
     ValueError),
    ("spectrogram", "a variable", lambda t: aa1xr.spectrogram(t.ds.spectrogram),
     "ds is DataArray", TypeError),
    ("spectrogram", "a function that returns one bin too few",
     lambda t: aa1xr.spectrogram(
         t.ds, lambda samples, rate: np.ones((1, samples.size // 640 - 1)), freq=[1000]),
     r"must return an array of shape \(freq, ", ValueError),
    ("spectrogram", "a function that returns NaN",
     lambda t: aa1xr.spectrogram(
         t.ds, lambda samples, rate: np.full((1, -(-samples.size // 640)), np.nan), freq=[1000]),
     "with finite values; got nan", ValueError),
    ("spectrogram", "a function without frequencies",
     lambda t: aa1xr.spectrogram(
         t.ds, lambda samples, rate: np.ones((1, -(-samples.size // 640)))),
     "freq must be the frequencies of the 1 bands", ValueError),
    ("spectrogram", "a path for waveforms", lambda t: aa1xr.spectrogram(t.ds, sounds="a.wav"),
     "sounds is str", TypeError),
    ("spectrogram", "waveforms without labels",
     lambda t: aa1xr.spectrogram(t.ds, sounds=aa1xr.sounds(t.ds).waveform.drop_vars("n_samples")),
     "must have the coordinate 'n_samples'", ValueError),
    ("spectrogram", "waveforms in stereo",
     lambda t: aa1xr.spectrogram(t.ds, sounds=aa1xr.sounds(t.ds).waveform.expand_dims(ear=2)),
     "there is one too many, 'ear'", ValueError),
    ("spectrogram", "bins with gaps", lambda t: aa1xr.spectrogram(t.ds.isel(time=[0, 1, 5])),
     "adjacent bins", ValueError),
    ("with_spectrogram", "a Dataset", lambda t: aa1xr.with_spectrogram(t.ds, t.ds),
     "spectrogram is Dataset", TypeError),
    ("with_spectrogram", "rates", lambda t: aa1xr.with_spectrogram(t.ds, t.ds.psth),
     "spectrogram", ValueError),
    ("with_spectrogram", "other bins",
     lambda t: aa1xr.with_spectrogram(t.ds, t.ds.spectrogram.isel(time=slice(3))),
     "must have the bins of the Dataset", ValueError),
    ("events", "one variable", lambda t: aa1xr.events(t.ds.spikes),
     "source is DataArray; expected a path", TypeError),
    ("events", "a list", lambda t: aa1xr.events([t.ds]), "source is list", TypeError),
    ("events", "nothing there", lambda t: aa1xr.events(_nothing(t)), "nothing.zip",
     DataNotFoundError),
    ("events", "a Dataset and a data directory",
     lambda t: aa1xr.events(t.ds, data_dir=t.data_dir), "data_dir= is for a path", ValueError),
    ("events", "neurons that are not in its store",
     lambda t: aa1xr.events(t.ds.assign_coords(neuron=["a_1", "b_1", "c_1", "d_1"])),
     "neuron a_1, b_1, c_1: not in the store", ValueError),
    ("events", "a Dataset without neurons' names",
     lambda t: aa1xr.events(t.ds.rename(neuron="cell")), "no coordinate 'neuron'", ValueError),
    # Labels.
    ("sel", "a whole Split", lambda t: aa1xr.sel(t.ds, stimulus=aa1xr.split(t.ds, test=2)),
     "stimulus must be selected by a list of values; got nested lists", ValueError),
    ("sel", "strings for a range of numbers",
     lambda t: aa1xr.sel(t.ds, duration_s=slice("1.8", "2.2")),
     r"duration_s from '1.8' to '2.2': the ends cannot be compared with its values, such as \[",
     TypeError),
    ("sel", "a misspelt area", lambda t: aa1xr.sel(t.ds, area="MLD"),
     "no area is 'MLD'; did you mean 'MLd'", KeyError),
    ("sel", "a misspelt coordinate", lambda t: t.ds.aa1.sel(animal="gg0304"),
     "no coordinate is 'animal'; did you mean 'animal_id'", KeyError),
    ("sel", "a neuron of an empty selection",
     lambda t: aa1xr.sel(t.ds.isel(neuron=[]), neuron="sim0000_1_A"),
     "no neuron is 'sim0000_1_A': there is none to select from", KeyError),
    ("sel", "an area in which the animal has no cell",
     lambda t: aa1xr.sel(t.ds.isel(neuron=[0, 1]), area="MLd"),
     "no area is 'MLd'; there are 'Field_L'", KeyError),
)  # fmt: skip

#: xarray refuses them, and says enough.
ELSEWHERE: tuple[tuple[str, str, Callable[[Inputs], Any], str, Errors], ...] = (
    ("open_dataset", "a misspelt option", lambda t: _engine(t, dt=5), "dt", TypeError),
    ("open", "a misspelt option", lambda t: t.open(dt=5), "'dt'", TypeError),
    ("open", "bin width not named", lambda t: aa1xr.open(t.archive, 5), "positional", TypeError),
    ("save", "into a file", lambda t: aa1xr.save(t.ds, _file(t) / "a.zarr"),
     "exists.*txt", OSError),
    ("open_sample", "a path", lambda t: aa1xr.open_sample(t.archive), "positional", TypeError),
    ("save", "no path", lambda t: aa1xr.save(t.ds), "'path'", TypeError),
)  # fmt: skip


def rows() -> Iterator[Case]:
    yield from paths()
    yield from (refused(*row) for row in ROWS)
    yield from (refused(*row, elsewhere=True) for row in ELSEWHERE)
    yield works("open", "a folder of one store",
    lambda t: aa1xr.open(t.store, dt_ms=20, before_ms=100),
                lambda t, got: same(got, t.ds.compute()))  # fmt: skip
    yield works("open", "a path with a slash at its end",
                lambda t: aa1xr.open(f"{t.store}/", dt_ms=20, before_ms=100),
                lambda t, got: same(got, t.ds.compute()))  # fmt: skip
    yield works("load", "what xarray itself wrote", lambda t: aa1xr.load(_written(t)),
                lambda t, got: got.sel(area="MLd").sizes["neuron"] == 2)  # fmt: skip
    yield works("events", "events", lambda t: aa1xr.events(t.events),
                lambda t, got: got.identical(t.events))  # fmt: skip
    yield works("open", "before_ms less than a bin, which is rounded up as documented",
                lambda t: t.open(before_ms=2),
                lambda t, got: float(got.time[0]) == -0.005)  # fmt: skip


def _written(t: Inputs) -> Path:
    path = t.new(".zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, on how xarray writes strings
        t.ds[["psth"]].compute().drop_encoding().to_zarr(path)
    return path
