"""Spike trains for MATLAB and Octave."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr.analysis.trial_checks import presented
from aa1xr.arguments import shown
from aa1xr.atomic import atomic_write, refuse_existing
from aa1xr.dataset.events import AXES, as_events, provenance
from aa1xr.export.tables import refuse_taken
from aa1xr.store.location import resolve_path

#: A variable of MATLAB.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


def to_mat(ds: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write the spike trains as a MAT-file, for MATLAB and Octave.

    Times are exact, whatever the bins and the window of `ds` are; see `aa1xr.events`. Keep files of
    the recordings private: their terms forbid redistribution.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one, or the result of `aa1xr.events`.
    path
        The file, which ends in ".mat"; its folder is created if it does not exist. The file is
        written atomically.

    Returns
    -------
    Path
        The file. Its variables are

        - `spike_times`: a cell for each neuron and stimulus, {n_neurons x n_stimuli}. Each contains
          a cell for each presented trial, {n_trials x 1}, with a row vector: the times of its
          spikes in s from stimulus onset. A trial without spikes is 1 x 0, and a missing trial has
          no cell;
        - `trial`: the trial numbers, [n_trials x 1] for each neuron and stimulus; 0 is the first;
        - `n_trials` [n_neurons x n_stimuli]: 0 means "never presented", not "no spikes";
        - `neuron` and every label of the neurons, `stimulus` and every label of the stimuli: a
          column each, text as a cell array;
        - `attributes`: a struct with the title, the DOI, the citation, the licence and the source.

    Raises
    ------
    FileExistsError
        If the file exists.
    ValueError
        If the path does not end in ".mat", or MATLAB cannot have a variable of the name of a label.
        Otherwise as in `aa1xr.events`.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(area="MLd")
    >>> aa1xr.to_mat(ds, tmp / "mld.mat").name
    'mld.mat'
    """
    file = resolve_path("path", path)
    if file.suffix.lower() != ".mat":
        raise ValueError(
            f"path must end in .mat, or MATLAB takes the file for text; got {shown(str(path))}"
        )
    refuse_existing(file)
    events = as_events(ds)
    variables = _variables(events)
    for name in variables:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "labels must have names that MATLAB takes: letters, digits and _ after a letter, "
                f"63 at most; got {shown(name)}. Rename it with ds.rename, or drop it with "
                "ds.drop_vars"
            )
    from scipy.io import savemat

    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as partial, partial.open("wb") as stream:
        savemat(stream, variables, do_compression=True, long_field_names=True, oned_as="column")
    return file


def _variables(events: xr.Dataset) -> dict[str, Any]:
    """What is in the file, of types that SciPy writes as those of MATLAB."""
    heard = presented(events).transpose(*AXES).values
    seconds = events["spike_time"].values / 1e6
    starts = events["row_start"].values
    stops = starts + events["row_size"].values
    shape = heard.shape[:2]
    trains, numbers = np.empty(shape, object), np.empty(shape, object)
    for n, s in np.ndindex(*shape):
        there = np.flatnonzero(heard[n, s])
        cells = np.empty((there.size, 1), object)
        for row, k in enumerate(there):
            cells[row, 0] = seconds[np.newaxis, starts[n, s, k] : stops[n, s, k]]
        trains[n, s] = cells
        numbers[n, s] = events["trial"].values[there].astype(float)[:, np.newaxis]
    labels = {
        str(name): _column(label.values)
        for dim in AXES[:2]
        for name, label in events.coords.items()
        if label.dims == (dim,)
    }
    attributes = {name: str(text) for name, text in provenance(events).items()}
    variables = {
        "spike_times": trains,
        "trial": numbers,
        "n_trials": heard.sum(2).astype(float),
        "attributes": attributes,
    }
    refuse_taken(labels, variables, "a variable of the file")
    return labels | variables


def _column(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A label as a column: numbers, or a cell array of text."""
    if values.dtype.kind in "biuf":
        # MATLAB computes in doubles: its integers would round a quotient.
        return values[:, np.newaxis].astype(float if values.dtype.kind != "b" else bool)
    cells = np.empty((values.size, 1), object)
    cells[:, 0] = [str(value) for value in values.tolist()]
    return cells
