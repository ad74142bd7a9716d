"""Exports."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xarray as xr

import aa1xr
from stress.misuse.case import Case, Inputs, refused, works
from stress.misuse.datasets import EXPORTS

OF_EVENTS = ("to_pandas", "to_mat", "to_pynapple", "to_nwb")
#: These have no spikes then, and are none the worse.
EMPTY = {"to_pandas": lambda got: len(got) == 0, "to_mat": Path.is_file}


def rows() -> Iterator[Case]:
    for name, call in EXPORTS.items():
        if not name.endswith(OF_EVENTS):
            yield from _of_stimuli(name, call)
            continue
        # The store is found through the arrays, or among those that this process opened.
        for what, make in (
            ("a saved Dataset", lambda t: t.plain),
            ("a masked Dataset", lambda t: t.ds.where(t.ds.n_trials > 0)),
        ):
            yield works(
                name, what, lambda t, call=call, make=make: call(t, make(t)), lambda t, got: True
            )
        for what, select in (
            ("events selected afterwards", lambda ds: ds.sel(area="MLd")),
            ("events sorted afterwards", lambda ds: ds.isel(neuron=slice(None, None, -1))),
            ("events of fewer trials", lambda ds: ds.isel(trial=[0, 1])),
            ("events of one neuron", lambda ds: ds.isel(neuron=0)),
            ("events of fewer spikes", lambda ds: ds.isel(spike=slice(100))),
        ):
            yield refused(
                name,
                what,
                lambda t, call=call, select=select: call(t, select(t.events)),
                r"selected or sorted after.*aa1xr.events\(ds.sel\(area=\"MLd\"\)\)",
            )
        yield (
            refused(
                name,
                "a type that none of the neurons heard",
                lambda t, call=call: call(t, t.ds.sel(neuron=["sim0000_2_A"], type="conspecific")),
                "none of these neurons was presented any of these sounds",
            )
            if name not in EMPTY
            else works(
                name,
                "a type that none of the neurons heard",
                lambda t, call=call: call(t, t.ds.sel(neuron=["sim0000_2_A"], type="conspecific")),
                lambda t, got, name=name: EMPTY[name](got),
            )
        )
    yield from (refused(*row) for row in ROWS)


def _of_stimuli(name: str, call: Callable[[Inputs, Any], Any]) -> Iterator[Case]:
    wrong: dict[str, tuple[Callable[[Inputs], xr.Dataset], str]] = {
        "no spectrogram": (
            lambda t: t.ds.drop_vars("spectrogram"),
            "no variable 'spectrogram'; it has: spikes, psth",
        ),
        "no number of trials": (lambda t: t.ds.drop_vars("n_trials"), "no variable 'n_trials'"),
        "one stimulus": (lambda t: t.ds.sel(stimulus="flatrip-00"), "select with a list or slice"),
        "one time": (lambda t: t.ds.isel(time=3), "select with a list or slice"),
        "no stimulus": (lambda t: t.ds.isel(stimulus=[]), "nothing is selected along 'stimulus'"),
        "no time": (lambda t: t.ds.isel(time=[]), "nothing is selected along 'time'"),
        "stimulus renamed": (lambda t: t.ds.rename(stimulus="sound"), "'sound'.*expected"),
        "a stimulus that none of the neurons heard": (
            lambda t: t.ds.sel(neuron=["sim0000_2_A"]),
            "none of these neurons was presented conspecific-00.*drop_missing",
        ),
    }
    if "torch" in name:
        wrong["fewer trials, and rates of all"] = (
            lambda t: t.ds.isel(trial=[0, 1]),
            "are of more presentations than the Dataset has trials.*aa1xr.psth",
        )
    else:
        wrong["one neuron"] = (lambda t: t.ds.isel(neuron=0), "neuron and trial.*list or slice")
        wrong["one trial"] = (lambda t: t.ds.isel(trial=0), "neuron and trial.*list or slice")
    for what, (make, says) in wrong.items():
        yield refused(
            name,
            f"a Dataset with {what}",
            lambda t, call=call, make=make: call(t, make(t)),
            says,
        )


def _twice(t: Inputs) -> Any:
    folder = t.new()
    folder.mkdir()
    (folder / "sim0000_1.nwb").touch()
    return aa1xr.to_nwb(t.ds, folder)


def _same_wav(t: Inputs) -> Any:
    folder = t.new()
    folder.mkdir()
    (folder / "flatrip-00.wav").touch()
    return aa1xr.to_wav(t.ds, folder)


ROWS: tuple[tuple[Any, ...], ...] = (
    ("to_torch", "responses that are not there",
     lambda t: aa1xr.to_torch(t.ds, responses="rates"), "no variable 'rates'; it has: .*psth"),
    ("to_torch", "responses as an array", lambda t: aa1xr.to_torch(t.ds, responses=t.ds.psth),
     "responses is DataArray; expected the name of a variable", TypeError),
    ("to_torch", "responses=None", lambda t: aa1xr.to_torch(t.ds, responses=None),
     "responses is NoneType; expected the name", TypeError),
    ("to_torch", "responses without time", lambda t: aa1xr.to_torch(t.ds, responses="n_trials"),
     r"'n_trials' has dimensions \('neuron', 'stimulus'\); expected stimulus and time"),
    ("to_nwb", "into a folder that has such a file", _twice, "sim0000_1.nwb.*exists",
     FileExistsError),
    ("to_torch", "a misspelt sound", lambda t: aa1xr.to_torch(t.ds, sound="wave"),
     "sound='wave'; expected one of 'spectrogram', 'waveform'"),
    ("to_torch", "the rate of CDs",
     lambda t: aa1xr.to_torch(t.fine, sound="waveform", sample_rate=44_100),
     "no whole number of samples in a bin of 5 ms; .* 44000 or 44200 Hz"),
    ("to_torch", "a rate in kHz",
     lambda t: aa1xr.to_torch(t.ds, sound="waveform", sample_rate=16), "sample_rate=16; expected"),
    ("to_torch", "a rate for spectrograms", lambda t: aa1xr.to_torch(t.ds, sample_rate=16_000),
     "sample_rate=16000 is for waveforms"),
    ("to_deepstrf", "a rate that does not fit",
     lambda t: aa1xr.to_deepstrf(t.ds, waveform=True, sample_rate=44_110),
     "no whole number of samples in a bin of 20 ms; .* 44100 or 44150 Hz"),
    ("to_deepstrf", "a rate for spectrograms",
     lambda t: aa1xr.to_deepstrf(t.ds, sample_rate=16_000), "sample_rate=16000 is for waveforms"),
    ("to_deepstrf", "waveform='yes'", lambda t: aa1xr.to_deepstrf(t.ds, waveform="yes"),
     "waveform must be True or False", TypeError),
    ("to_wav", "into a folder that has such a file", _same_wav, "flatrip-00.wav.*exists",
     FileExistsError),
    ("to_wav", "a stimulus twice", lambda t: aa1xr.to_wav(t.ds.isel(stimulus=[0, 0]), t.new()),
     "stimulus must be unique.*occurs 2 times"),
    ("to_wav", "no stimulus", lambda t: aa1xr.to_wav(t.ds.isel(stimulus=[]), t.new()),
     "no stimuli: nothing is selected"),
    ("to_wav", "a label that leads elsewhere",
     lambda t: aa1xr.to_wav(t.ds.isel(stimulus=[0]).assign_coords(stimulus=["../a"]), t.new()),
     "stimulus ../a: not in the store"),
    ("listen", "several stimuli", lambda t: aa1xr.listen(t.ds),
     "one stimulus is played, and the data has 7; name one"),
    ("listen", "a misspelt stimulus", lambda t: t.ds.aa1.listen("conspecific0"),
     "no stimulus is 'conspecific0'; did you mean", KeyError),
    ("listen", "several neurons",
     lambda t: t.ds.aa1.listen("flatrip-00", neuron=["sim0000_1_A", "sim0000_1_B"]),
     "is 2 of them; expected one name"),
    ("listen", "an area for a neuron", lambda t: t.ds.aa1.listen("flatrip-00", neuron="MLd"),
     "no neuron is 'MLd'", KeyError),
    ("listen", "a sound that the neuron was never presented",
     lambda t: t.ds.aa1.listen("conspecific-00", neuron="sim0000_2_A"),
     "must have been presented conspecific-00.*never was"),
    ("listen", "a trial that is not there",
     lambda t: t.ds.aa1.listen("flatrip-00", neuron="sim0000_1_A", trial=50), "no trial is 50",
     KeyError),
    ("listen", "a trial without a neuron", lambda t: t.ds.aa1.listen("flatrip-00", trial=1),
     "trial=1 is of the spikes of one neuron"),
    ("listen", "an array", lambda t: aa1xr.listen(t.ds.spectrogram, "flatrip-00"),
     "ds is DataArray; expected a Dataset", TypeError),
    ("listen", "samples", lambda t: aa1xr.listen(t.ds.spectrogram.values), "ds is ndarray",
     TypeError),
    ("to_mat", "a name without an ending", lambda t: aa1xr.to_mat(t.ds, t.new()),
     r"path must end in \.mat.*got '.*new-"),
    ("to_mat", "over what is there",
     lambda t: [aa1xr.to_mat(t.ds, path) for path in [t.new(".mat")] * 2], "exists; remove it",
     FileExistsError),
    ("to_mat", "a label of two words",
     lambda t: aa1xr.to_mat(t.ds.rename(rig="the rig"), t.new(".mat")),
     "names that MATLAB takes.*'the rig'. Rename it with ds.rename"),
    ("to_mat", "a number", lambda t: aa1xr.to_mat(t.ds, 5), "path is int; expected a path",
     TypeError),
    ("neurons", "a word for a switch", lambda t: aa1xr.neurons(t.ds, quality="snr"),
     "quality must be True or False; got 'snr'", TypeError),
    ("stimuli", "without trials", lambda t: aa1xr.stimuli(t.ds.drop_vars("n_trials")),
     "no variable 'n_trials'"),
    ("trials", "a window in ms", lambda t: aa1xr.trials(t.ds, start=0, stop=500),
     "stop=500 must be between -2 and 4 s"),
    ("trials", "a window backwards", lambda t: aa1xr.trials(t.ds, start=1, stop=0.5),
     "start=1 must be before stop=0.5"),
    ("explore", "one neuron", lambda t: t.ds.isel(neuron=0).aa1.explore(),
     r"at least one neuron.*ds.sel\(neuron=\[...\]\)"),
    ("explore", "no stimulus", lambda t: aa1xr.explore(t.ds.isel(stimulus=[])),
     "at least one stimulus"),
    ("explore", "a neuron twice", lambda t: aa1xr.explore(t.ds.isel(neuron=[0, 0])),
     "each neuron must occur once"),
    ("explore", "an array", lambda t: aa1xr.explore(t.ds.psth), "ds is DataArray", TypeError),
    ("explore", "a port that there is not", lambda t: aa1xr.explore(t.ds, port=70000),
     "port must be at most 65535.*70000"),
    ("to_pandas", "events without labels",
     lambda t: aa1xr.to_pandas(t.events.drop_vars("row_start")), "no variable 'row_start'"),
)  # fmt: skip
