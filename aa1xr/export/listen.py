"""A stimulus to hear, with the spikes of one neuron as clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.sel import sel_one
from aa1xr.analysis.trial_checks import presented
from aa1xr.archive.write import wav_bytes
from aa1xr.dataset.events import as_events, store_of
from aa1xr.dataset.sounds import refuse_waveforms, samples_in_bin, sounds_of
from aa1xr.optional import import_optional
from aa1xr.store.read import Store
from aa1xr.typing import Ints

if TYPE_CHECKING:
    from IPython.display import Audio

#: A click begins at a quarter of full scale and falls to 0 in 1 ms.
_CLICK_LEVEL = 2**13
_CLICK_MS = 1

Samples = npt.NDArray[np.int16]


def listen(
    ds: xr.Dataset,
    stimulus: str | None = None,
    *,
    neuron: str | None = None,
    trial: int | None = None,
) -> Audio:
    """Play a stimulus in a notebook, with the spikes of one neuron as clicks in the other ear.

    A notebook shows the result as a player, if it is the last line of a cell. In other places,
    pass it to `IPython.display.display`.

    Needs IPython, the extra `listen`. Notebooks have it.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one. The player starts with its time axis,
        and ends with the window of the stimulus: open with `before_ms` and `after_ms` to hear the
        spikes before the onset and after the end of the stimulus.
    stimulus
        Label. None: the stimulus of a Dataset that has only one.
    neuron
        Label. None: the neuron of a Dataset that has only one; otherwise the stimulus alone.
    trial
        Label of the trial whose spikes are played. None: the first trial in which the neuron was
        presented the stimulus.

    Returns
    -------
    IPython.display.Audio
        Without a neuron, a mono wav file: the samples as recorded, at 32 kHz. With a neuron,
        stereo: the stimulus in the left ear, and the spikes in the right ear. Each spike is a click
        of 1 ms that begins with the sample in which the spike falls (1/32 ms). `.data` holds the
        wav file.

    Raises
    ------
    KeyError
        If there is no such stimulus, neuron or trial; the message lists similar labels.
    ModuleNotFoundError
        If IPython is not installed.
    ValueError
        If several stimuli, neurons or trials are given, if the neuron was not presented the
        stimulus in the trial, or if a Dataset no longer refers to its store.

    Notes
    -----
    Levels are those of the wav files, and are not normalised, so that stimuli can be compared: the
    peaks of songs are at 0.15 to 0.23 of full scale, those of ripples at 0.5, and clicks at 0.25.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> song = aa1xr.listen(ds, "conspecific-00")
    >>> song_and_spikes = ds.aa1.listen("conspecific-00", neuron="sim0000_3_A")
    >>> song.mimetype, len(song_and_spikes.data) / len(song.data) > 1.99
    ('audio/wav', True)
    """
    # First of all, so that mistakes are told where IPython is not installed.
    data = wav_file(ds, stimulus, neuron=neuron, trial=trial)
    import_optional("IPython", extra="listen")
    from IPython.display import Audio

    return Audio(data=data)


def wav_file(
    ds: xr.Dataset, stimulus: str | None, *, neuron: str | None, trial: int | None
) -> bytes:
    """The wav file that `listen` plays."""
    schema.require(ds)
    refuse_waveforms(ds)
    if neuron is not None:
        schema.require_coords(ds, "neuron")
    with_spikes = neuron is not None or ("neuron" in ds.coords and ds["neuron"].size == 1)
    if trial is not None and not with_spikes:
        raise ValueError(
            f"trial={arguments.shown(trial)} is of the spikes of one neuron; name it, neuron=..., "
            "or leave out the trial for the stimulus alone"
        )
    store = store_of(ds)
    # Labels alone: no variable is needed, whatever was done to it.
    chosen = sel_one(ds.drop_vars(list(ds.data_vars)), "played", stimulus=stimulus)
    samples, rate, first = _sound(chosen, store)
    if with_spikes:
        of_neuron = sel_one(chosen, "played", neuron=neuron)
        times = _spike_times(of_neuron, store, trial)
        samples = np.stack([samples, _clicks(times * rate // 10**6 - first, samples.size, rate)], 1)
    return wav_bytes(samples, rate)


def _sound(ds: xr.Dataset, store: Store) -> tuple[Samples, int, int]:
    """The stimulus in its window, the sample rate, and the number of the first sample."""
    waveform = sounds_of(ds, store, dtype="int16")["waveform"]
    rate = int(waveform["sample_rate"])
    first = round(float(waveform["time"][0]) * rate)
    after_ms = arguments.number("the attribute after_ms", ds.attrs.get("after_ms", 0))
    end = int(waveform["n_samples"]) + round(after_ms * rate / 1000)
    if "time" in ds.dims:  # a window ends with a bin
        hop = samples_in_bin(ds, rate, rate)
        end = -(-end // hop) * hop
    if end <= first:
        raise ValueError(
            f"time must begin in the window of {waveform['stimulus'].item()}, which ends "
            f"{end / rate:g} s after its onset; got times from {first / rate:g} s on"
        )
    return waveform.values[: end - first], rate, first


def _spike_times(ds: xr.Dataset, store: Store, trial: int | None) -> Ints:
    """The spikes of one trial, in microseconds."""
    if trial is not None:
        schema.require_coords(ds, "trial")
        ds = sel_one(ds, "played", trial=trial)
    events = as_events(ds, store)
    heard = np.flatnonzero(presented(events))
    if not heard.size:
        neuron, stimulus = (events[name].item() for name in ("neuron", "stimulus"))
        n_trials = int(events["n_trials"].item())
        raise ValueError(
            f"neuron {neuron} must have been presented {stimulus} in the trial; "
            + (f"its trials are 0 to {n_trials - 1}" if n_trials else "it never was")
            + ". aa1xr.presented(ds) says which neuron was presented what"
        )
    start, size = (events[name].values.ravel()[heard[0]] for name in ("row_start", "row_size"))
    times: Ints = events["spike_time"].values[start : start + size].astype(np.int64)
    return times


def _clicks(starts: Ints, n_samples: int, rate: int) -> Samples:
    """Clicks that begin at samples: a step that falls to 0; each spike is at full level."""
    click = np.linspace(_CLICK_LEVEL, 0, rate * _CLICK_MS // 1000, endpoint=False).astype(np.int16)
    out = np.zeros(n_samples, np.int16)
    for start in starts[(starts >= 0) & (starts < n_samples)]:
        part = out[start : start + click.size]
        np.maximum(part, click[: part.size], out=part)
    return out
