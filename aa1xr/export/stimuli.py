"""Spectrogram and responses of one stimulus at a time, for fitting models."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.select import drop_missing
from aa1xr.analysis.spectrogram_checks import check_finite
from aa1xr.analysis.trial_checks import check_trials
from aa1xr.typing import Floats


class Stimuli:
    """Spectrogram and responses of each stimulus; read when asked for, and only that one.

    Pickles small as long as the Dataset is lazy.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one.
    responses
        The name of the variable, along stimulus, time and maybe neuron and trial.

    Raises
    ------
    ValueError
        If a variable is missing, a stimulus was presented to none of the neurons, or a selection
        of trials would be lost on `psth`.
    """

    def __init__(self, ds: xr.Dataset, responses: str) -> None:
        arguments.expect("responses", responses, str, "the name of a variable, such as 'psth'")
        schema.validate(ds, "spectrogram", "n_trials", responses)
        for name in ("spectrogram", responses):
            schema.check_dims(f"{name!r}", ds[name], "stimulus", "time")
        unheard = set(ds["stimulus"].values) - set(drop_missing(ds)["stimulus"].values)
        if unheard:
            raise ValueError(
                f"none of these neurons was presented {', '.join(sorted(unheard))}; leave out what "
                "was not: aa1xr.drop_missing(ds)"
            )
        if responses == "psth":
            check_trials(ds, "psth")
        self.labels: list[str] = ds["stimulus"].values.tolist()
        sound = ds["spectrogram"]
        self._axes = {dim: sound[dim].values for dim in ("freq", "time")}
        self._spectrogram = sound.variable
        self._responses = ds[responses].variable

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, stimulus: int) -> tuple[Floats, Floats, Floats]:
        """The sound and the responses to it, to the end of the stimulus' window.

        Returns
        -------
        spectrogram : [array, shape: (freq, time)]
        responses : [array, shape: (neuron, time) or (neuron, trial, time)]
            NaN where there is no data.
        silence : [array, shape: (freq,)]
            The spectrogram where there is no sound, in the units that it has now: what `ds` has at
            the end of the axis, after the window. A stimulus whose window ends there is never
            padded, and has the attribute `silence` of the spectrogram.
        """
        spectrogram = _read(self._spectrogram, stimulus)
        responses = _read(self._responses, stimulus)
        there = ~np.isnan(responses).reshape(-1, responses.shape[-1]).all(0)
        window = slice(int(np.flatnonzero(there)[-1]) + 1 if there.any() else 0)
        axes = {dim: label[window] if dim == "time" else label for dim, label in self._axes.items()}
        labels = {"stimulus": np.array(self.labels[stimulus : stimulus + 1])} | axes
        check_finite(spectrogram[np.newaxis, :, window], labels)
        known = arguments.number("the attribute silence", self._spectrogram.attrs.get("silence", 0))
        silence = np.full(len(spectrogram), known, np.float32)
        if window.stop < spectrogram.shape[1]:
            after = spectrogram[:, -1]
            silence = np.where(np.isnan(after), silence, after)
        # Copies, for a tensor to own: these may be views of the Dataset.
        return spectrogram[:, window].copy(), responses[..., window].copy(), silence


def _read(variable: xr.Variable, stimulus: int) -> Floats:
    # A slice, and before anything else, is what dask passes on to the source: nothing but this
    # stimulus is then computed. In this thread, since dask's pool of threads does not survive the
    # fork by which torch makes its workers.
    one: Any = variable.isel(stimulus=slice(stimulus, stimulus + 1))
    one = one.compute(scheduler="synchronous").isel(stimulus=0)
    ordered = one.transpose("neuron", "trial", "freq", "time", missing_dims="ignore")
    return np.asarray(ordered.values, dtype=np.float32)
