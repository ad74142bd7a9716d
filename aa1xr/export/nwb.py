"""Neurodata Without Borders (NWB): one file for each recording site."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, citation, schema
from aa1xr.archive.contents import Contents
from aa1xr.atomic import atomic_write, refuse_existing
from aa1xr.dataset.events import as_events, store_of
from aa1xr.dataset.sounds import sounds_of
from aa1xr.export.timeline import Timeline, make_timelines
from aa1xr.optional import import_optional
from aa1xr.printable import file_name
from aa1xr.store.location import resolve_path
from aa1xr.version import VERSION

#: NWB demands a date. This one is nobody's, and looks it.
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)

_CLOCK = (
    "AA1 tells spike times from each stimulus onset, and no time of day. The clock of this file is "
    "invented: presentations are laid end to end, trial by trial, 1 ms apart, "
    "the stimuli of a trial in a fixed order (theirs was random, and is not known). What happens "
    "within a trial is as recorded; what lies between two is not. The cells of this file, those of "
    "one recording site (cell_seq), were recorded simultaneously. session_start_time is a "
    "placeholder."
)
_RECORDED = {
    "session_description": "Extracellular single units in two auditory areas (MLd and Field L) of "
    "a male zebra finch, hearing song and modulation-limited noise. " + _CLOCK,
    "experiment_description": "CRCNS AA1: single-unit recordings from two auditory areas in male "
    "zebra finches. " + citation.CITATION,
    "related_publications": f"doi:{citation.DOI}",
    "notes": "Terms: " + citation.LICENSE,
    "lab": "Theunissen",
    "institution": "University of California, Berkeley",
    "keywords": ["zebra finch", "auditory", "MLd", "Field L", "song", "single unit"],
}
_BIRD = {
    "species": "Taenopygia guttata",
    "sex": "M",
    # All that is known is "adult", as which zebra finches count from 90 days on.
    "age": "P90D/",
    "description": "adult male, urethane-anaesthetised; P90D/ stands for adult, no age is given",
}
_SIMULATED = {
    "session_description": "Simulated cells in the layout of CRCNS AA1. " + _CLOCK,
    "notes": "Simulated with aa1xr; no recorded data.",
}
_NOBODY = {"sex": "U", "description": "none: simulated"}
_OTHER = {
    "session_description": "Recordings of unknown origin in the layout of CRCNS AA1. " + _CLOCK,
    "notes": "None of the cells and stimuli are of CRCNS AA1.",
}
_ANYBODY = {"sex": "U", "description": "unknown"}
#: Session and subject, by whose data they are.
_ORIGINS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "aa1": (_RECORDED, _BIRD),
    "simulated": (_SIMULATED, _NOBODY),
    "other": (_OTHER, _ANYBODY),
}


def to_nwb(
    ds: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write one NWB file for each recording site.

    A site is one neuron, or two simultaneously recorded neurons. Readers of NWB assume that all
    neurons of a file were recorded simultaneously, in the trials of this file.

    Keep files of the recordings private: their terms, which are in the notes of each file, forbid
    redistribution.

    Needs pynwb, the extra `nwb`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one, or the result of `aa1xr.events`.
    path
        Folder for the files; it is created if it does not exist. Each file is written atomically.
    storage_options
        For a Dataset of a URL: passed to fsspec.

    Returns
    -------
    list of Path
        The files, `<animal_id>_<cell_seq>.nwb`. Each contains:

        - `units`: spike times, with `neuron`, `area`, `cell_seq` and `rig`. `obs_intervals` are the
          trials in which the neuron was recorded. AA1 has no information about electrodes;
        - `trials`: `start_time` 2 s before the onset and `stop_time` 4 s after it (longer if a
          spike is outside), `stimulus_onset_time` and `stimulus_offset_time`, `stimulus`, `type`
          and `trial`;
        - `stimulus_template`: the waveforms, by the names in `trials`;
        - `subject`, citation, terms.

        AA1 has no absolute time. The time axis is constructed as in `aa1xr.to_pynapple`, and the
        date (1970-01-01) is a placeholder, as the description of the session says. The age is
        unknown too; "P90D/" stands for adult.

    Raises
    ------
    FileExistsError
        If one of the files exists; then no file is written.
    ModuleNotFoundError
        If pynwb is not installed.
    ValueError
        As in `aa1xr.events`, or if none of the neurons was presented any of the stimuli.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="flatrip")
    >>> [path.name for path in aa1xr.to_nwb(ds, tmp / "nwb")][:2]
    ['sim0000_1.nwb', 'sim0000_2.nwb']
    """
    folder = resolve_path("path", path)
    store = store_of(ds, storage_options=storage_options)
    events, sites = make_timelines(as_events(ds, store))
    pynwb = import_optional("pynwb", extra="nwb")
    sounds = sounds_of(events, store, dtype="int16")["waveform"].compute()
    files = []
    for site in sites:
        name = arguments.check_file_name("animal_id", f"{site.animal_id}_{site.cell_seq}.nwb")
        files.append(folder / name)
        refuse_existing(files[-1])
    folder.mkdir(parents=True, exist_ok=True)
    for target, site in zip(files, sites, strict=True):
        file = _session(pynwb, site, store.attrs)
        file.units = _units(pynwb, events, site)
        file.trials = _trials(pynwb, events, site)
        for stimulus in np.unique(site.stimulus):
            file.add_stimulus_template(
                _sound(pynwb, events.isel(stimulus=stimulus), sounds.isel(stimulus=stimulus))
            )
        with atomic_write(target) as partial, pynwb.NWBHDF5IO(str(partial), "w") as io:
            io.write(file)
    return files


def _session(pynwb: Any, site: Timeline, origin: dict[str, Any]) -> Any:
    contents = Contents.of_attrs(origin)
    session, subject = _ORIGINS[contents.origin]
    said = "; ".join(f"{kind}: {text}" for kind, text in contents.statements.items())
    return pynwb.NWBFile(
        identifier=f"{origin['source_sha256']}/{site.animal_id}/{site.cell_seq}",
        session_id=str(site.cell_seq),
        session_start_time=_NO_DATE,
        was_generated_by=[["aa1xr", VERSION]],
        subject=pynwb.file.Subject(subject_id=site.animal_id, **subject),
        **session | {"notes": f"{session['notes']} {said}".strip()},
    )


def _units(pynwb: Any, events: xr.Dataset, site: Timeline) -> Any:
    units = pynwb.misc.Units(name="units", description="single units", resolution=1e-6)
    labels = ("neuron", "area", "cell_seq", "rig")
    for name in labels:
        units.add_column(name, _describe(name))
    trials = np.stack([site.start, site.stop], 1)
    for number, neuron in enumerate(site.neurons):
        units.add_unit(
            spike_times=site.spike_times[number],
            obs_intervals=trials[site.heard[number]],
            **{name: events[name].values.tolist()[neuron] for name in labels},
        )
    return units


def _trials(pynwb: Any, events: xr.Dataset, site: Timeline) -> Any:
    stimulus, onset = site.stimulus, site.onset
    # HDF5 takes a slash in a name for a folder.
    sounds = np.array([file_name(label) for label in events["stimulus"].values])
    columns: dict[str, tuple[str, npt.NDArray[Any]]] = {
        "start_time": ("start of the trial (s)", site.start),
        "stop_time": ("end of the trial (s)", site.stop),
        "stimulus_onset_time": ("onset of the sound (s)", onset),
        "stimulus_offset_time": (
            "end of the sound (s)",
            onset + events["duration_s"].values[stimulus],
        ),
        "stimulus": ("sound, in stimulus_template", sounds[stimulus]),
        "type": (_describe("type"), events["type"].values[stimulus]),
        "trial": (_describe("trial"), events["trial"].values[site.trial]),
    }
    return pynwb.epoch.TimeIntervals(
        name="trials",
        description="presentations, one after another on an invented clock",
        columns=[
            # As lists, since HDF5 has no strings of NumPy's kind.
            pynwb.core.VectorData(name=name, description=text, data=values.tolist())
            for name, (text, values) in columns.items()
        ],
    )


def _sound(pynwb: Any, stimulus: xr.Dataset, sound: xr.DataArray) -> Any:
    samples = sound.values[: int(sound["n_samples"])]
    return pynwb.TimeSeries(
        name=file_name(stimulus["stimulus"].values.item()),
        description=f"{stimulus['type'].values.item()}, {stimulus['name'].values.item()} of AA1",
        data=pynwb.H5DataIO(samples, compression="gzip"),
        rate=float(stimulus["sample_rate"]),
        starting_time=0.0,
        unit="full scale",
        conversion=2.0**-15,
        comments="its time begins with the sound; when it was played is in the trials",
    )


def _describe(label: str) -> str:
    spec = schema.COORDINATES[label]
    return f"{spec.long_name}; {spec.comment}" if spec.comment else spec.long_name
