"""The stimuli as wav files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from aa1xr import arguments, schema
from aa1xr.archive.write import wav_bytes
from aa1xr.atomic import atomic_write, refuse_existing
from aa1xr.dataset.events import store_of
from aa1xr.dataset.sounds import sounds_of
from aa1xr.store.location import resolve_path


def to_wav(
    ds: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write one wav file for each stimulus, as recorded.

    Keep files of the recordings private: their terms forbid redistribution.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one. Its stimuli are written; its neurons and
        its time axis do not matter.
    path
        Folder for the files; it is created if it does not exist. Each file is written atomically.
    storage_options
        For a Dataset of a URL: passed to fsspec.

    Returns
    -------
    list of Path
        The files, `<stimulus>.wav`: mono, 16 bit, 32 kHz, equal to the archive's files byte for
        byte. The archive names them by their MD5, which is the coordinate `name`.

    Raises
    ------
    FileExistsError
        If one of the files exists; then no file is written.
    ValueError
        If a Dataset no longer refers to its store, has no stimuli, or has one twice.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="flatrip")
    >>> [path.name for path in aa1xr.to_wav(ds, tmp / "wav")][:2]
    ['flatrip-00.wav', 'flatrip-01.wav']
    """
    folder = resolve_path("path", path)
    schema.require(ds)
    store = store_of(ds, storage_options=storage_options)
    sounds = sounds_of(ds.drop_vars("time", errors="ignore"), store, dtype="int16")
    if "stimulus" not in sounds.dims:
        sounds = sounds.expand_dims("stimulus")
    labels = sounds["stimulus"].values.tolist()
    if not labels:
        raise ValueError("the Dataset has no stimuli: nothing is selected along 'stimulus'")
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(
                f"stimulus must be unique, since files are named by it; {label!r} occurs "
                f"{labels.count(label)} times. Select each once"
            )
    files = [folder / arguments.check_file_name("stimulus", f"{label}.wav") for label in labels]
    for file in files:
        refuse_existing(file)
    folder.mkdir(parents=True, exist_ok=True)
    for file, sound in zip(files, sounds["waveform"], strict=True):
        samples = sound.values[: int(sound["n_samples"])]
        with atomic_write(file) as partial:
            partial.write_bytes(wav_bytes(samples, int(sound["sample_rate"])))
    return files
