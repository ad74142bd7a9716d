"""Sound and responses of one stimulus at a time, for fitting models."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.select import drop_missing
from aa1xr.analysis.spectrogram_checks import check_finite
from aa1xr.analysis.trial_checks import check_trials
from aa1xr.dataset.sounds import sounds
from aa1xr.typing import Floats


class Stimuli:
    """Sound and responses of each stimulus; read when asked for, and only that one.

    Pickles small as long as the Dataset is lazy.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one.
    responses
        The name of the variable, along stimulus, time and maybe neuron and trial.
    waveform
        Whether the sound is the waveform, instead of the spectrogram.
    sample_rate
        Of the waveform, as in `aa1xr.sounds`.

    Raises
    ------
    ValueError
        If a variable is missing, a stimulus was presented to none of the neurons, or a selection
        of trials would be lost on `psth`. For waveforms, as in `aa1xr.sounds`.
    """

    def __init__(
        self,
        ds: xr.Dataset,
        responses: str,
        *,
        waveform: bool = False,
        sample_rate: int | None = None,
    ) -> None:
        arguments.expect("responses", responses, str, "the name of a variable, such as 'psth'")
        variables = [responses] if waveform else ["spectrogram", responses]
        schema.validate(ds, "n_trials", *variables)
        for name in variables:
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
        self._responses = ds[responses].variable
        if not waveform and sample_rate is not None:
            raise ValueError(
                f"sample_rate={arguments.shown(sample_rate)} is for waveforms, and the stimuli are "
                "spectrograms; leave it out, or choose waveforms"
            )
        if waveform:
            sound = sounds(ds, sample_rate=sample_rate)["waveform"]
            self._hop = sound.sizes["sample"] // ds.sizes["time"]
            self.sample_rate = round(self._hop * 1000 / schema.bin_width_ms(ds))
        else:
            sound = ds["spectrogram"]
            self._axes = {dim: sound[dim].values for dim in ("freq", "time")}
        self._sound = sound.variable

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, stimulus: int) -> tuple[Floats, Floats, Floats]:
        """The spectrogram and the responses to it, to the end of the stimulus' window.

        Returns
        -------
        spectrogram : [array, shape: (freq, time)]
        responses : [array, shape: (neuron, time) or (neuron, trial, time)]
            NaN where there is no data.
        silence : [array, shape: (freq,)]
            The spectrogram where there is no sound, in the units that it has now: what `ds` has at
            the end of the axis, after the window. A stimulus whose window ends there is never
            padded, and has the attribute `silence` of the spectrogram; NaN if it was scaled since.
        """
        responses = self._read_responses(stimulus)
        spectrogram = _read(self._sound, stimulus)
        window = slice(responses.shape[-1])
        axes = {dim: label[window] if dim == "time" else label for dim, label in self._axes.items()}
        labels = {"stimulus": np.array(self.labels[stimulus : stimulus + 1])} | axes
        check_finite(spectrogram[np.newaxis, :, window], labels)
        known = arguments.number("the attribute silence", self._sound.attrs.get("silence", 0), "")
        if "scaled" in self._sound.attrs:
            known = np.nan
        silence = np.full(len(spectrogram), known, np.float32)
        if window.stop < spectrogram.shape[1]:
            after = spectrogram[:, -1]
            silence = np.where(np.isnan(after), silence, after)
        # A copy, for a tensor to own: this may be a view of the Dataset.
        return spectrogram[:, window].copy(), responses, silence

    def read_waveform(self, stimulus: int) -> tuple[Floats, Floats]:
        """The waveform and the responses to it, to the end of the stimulus' window.

        Returns
        -------
        waveform : [array, shape: (time * hop,)]
        responses : [array, shape: (neuron, time) or (neuron, trial, time)]
            NaN where there is no data.
        """
        responses = self._read_responses(stimulus)
        n_samples = responses.shape[-1] * self._hop
        return _read(self._sound, stimulus)[:n_samples].copy(), responses

    def _read_responses(self, stimulus: int) -> Floats:
        responses = _read(self._responses, stimulus)
        there = ~np.isnan(responses).reshape(-1, responses.shape[-1]).all(0)
        n_bins = int(np.flatnonzero(there)[-1]) + 1 if there.any() else 0
        return responses[..., :n_bins].copy()


def _read(variable: xr.Variable, stimulus: int) -> Floats:
    # A slice, and before anything else, is what dask passes on to the source: nothing but this
    # stimulus is then computed. In this thread, since dask's pool of threads does not survive the
    # fork by which torch makes its workers.
    one: Any = variable.isel(stimulus=slice(stimulus, stimulus + 1))
    one = one.compute(scheduler="synchronous").isel(stimulus=0)
    dims = ("neuron", "trial", "freq", "time", "sample")
    ordered = one.transpose(*dims, missing_dims="ignore")
    return np.asarray(ordered.values, dtype=np.float32)
