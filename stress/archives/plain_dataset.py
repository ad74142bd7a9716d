"""A Dataset as plain Python, and what it must hold of an archive, to be compared."""

from typing import Any

import numpy as np

import aa1xr
from aa1xr.store.read import Store


def as_dataset(sounds: list[tuple], cells: list[tuple]) -> dict[str, Any]:
    """What of an archive the Dataset must hold, as plain Python."""
    stimuli = {key[:2]: s for s, key in enumerate(sounds)}
    order = list(dict.fromkeys((area, cell) for cell, area, *_ in cells))
    responses: dict[tuple[int, int, int], list[int]] = {}
    for cell, area, _, type_, sound, found, counts in cells:
        at, s = order.index((area, cell)), stimuli[type_, sound]
        for r, (start, count) in enumerate(zip(np.cumsum([0, *counts]), counts, strict=False)):
            responses[at, s, r] = sorted(found[start : start + count])
    return {
        "neuron": [cell for _, cell in order],
        "area": [area for area, _ in order],
        "sounds": [(type_, name, rate, len(samples)) for type_, name, rate, samples in sounds],
        "waveform": [sample for *_, samples in sounds for sample in samples],
        "responses": responses,
    }


def as_plain(ds: Any, *, spectrogram: bool) -> dict[str, Any]:
    """The same of a Dataset, whose counts in bins are held against its own events."""
    spikes = aa1xr.events(ds)
    n_trials = spikes.n_trials.values
    starts, sizes = spikes.row_start.values, spikes.row_size.values
    flat = spikes.spike_time.values
    responses = {
        (n, s, r): flat[starts[n, s, r] : starts[n, s, r] + sizes[n, s, r]].tolist()
        for n, s in zip(*np.nonzero(n_trials), strict=True)
        for r in range(n_trials[n, s])
    }
    counts = ds.spikes.values
    bins = -(-ds.n_samples.values * 1000 // (5 * ds.sample_rate.values))
    for (n, s, r), found in responses.items():
        expected = np.full(counts.shape[-1], np.nan)
        inside = [time // 5000 for time in found if 0 <= time // 5000 < bins[s]]
        expected[: bins[s]] = np.bincount(inside, minlength=bins[s])
        if not np.array_equal(counts[n, s, r], expected, equal_nan=True):
            raise AssertionError(f"counts of {n, s, r} are not those of its events")
    if int(np.isfinite(counts).any(-1).sum()) != len(responses):
        raise AssertionError("counts where there was no presentation")
    if spectrogram and not np.isfinite(ds.spectrogram.values).all():
        raise AssertionError("the spectrogram is not finite")
    store = Store(ds.encoding["source"])
    columns = (ds.type, ds.name, ds.sample_rate, ds.n_samples)
    return {
        "neuron": ds.neuron.values.tolist(),
        "area": ds.area.values.tolist(),
        "sounds": list(zip(*(ds[c.name].values.tolist() for c in columns), strict=True)),
        "waveform": store.read("waveform").tolist(),
        "responses": {tuple(map(int, key)): found for key, found in responses.items()},
    }
