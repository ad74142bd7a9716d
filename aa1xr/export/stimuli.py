"""One stimulus after another, each over its own window: what models are fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.presentations import check_trials
from aa1xr.analysis.select import drop_missing

Floats = npt.NDArray[np.float32]


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
        self._spectrogram = ds["spectrogram"].variable
        self._responses = ds[responses].variable
        self._quiet = _find_silence(ds)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, stimulus: int) -> tuple[Floats, Floats]:
        """What was heard and what was answered, to the end of the stimulus' window.

        Returns
        -------
        spectrogram : [array, shape: (freq, time)]
        responses : [array, shape: (neuron, time) or (neuron, trial, time)]
            NaN where there is no data.
        """
        spectrogram = _read(self._spectrogram, stimulus)
        responses = _read(self._responses, stimulus)
        there = ~np.isnan(responses).reshape(-1, responses.shape[-1]).all(0)
        window = slice(int(np.flatnonzero(there)[-1]) + 1 if there.any() else 0)
        # Copies, for a tensor to own: these may be views of the Dataset.
        return spectrogram[:, window].copy(), responses[..., window].copy()

    def silence(self) -> Floats | None:
        """The spectrogram of a bin in which no sound plays. [shape: (freq,)].

        Zero as `aa1xr.open` gives it, and not zero after a scaling. None if there is no such bin.
        """
        if self._quiet is None:
            return None
        stimulus, bin_ = self._quiet
        return _read(self._spectrogram.isel(time=slice(bin_, bin_ + 1)), stimulus)[..., 0]


def _find_silence(ds: xr.Dataset) -> tuple[int, int] | None:
    """Stimulus and bin after the end of the shortest sound."""
    if "duration_s" not in ds.coords:
        return None
    durations = np.atleast_1d(ds["duration_s"].values)
    shortest, last = int(durations.argmin()), ds.sizes["time"] - 1
    return (shortest, last) if ds["time"].values[last] >= durations[shortest] else None


def _read(variable: xr.Variable, stimulus: int) -> Floats:
    # A slice, and before anything else, is what dask passes on to the source: nothing but this
    # stimulus is then computed. In this thread, since dask's pool of threads does not survive the
    # fork by which torch makes its workers.
    one: Any = variable.isel(stimulus=slice(stimulus, stimulus + 1))
    one = one.compute(scheduler="synchronous").isel(stimulus=0)
    ordered = one.transpose("neuron", "trial", "freq", "time", missing_dims="ignore")
    return np.asarray(ordered.values, dtype=np.float32)
