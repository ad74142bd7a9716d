"""The real archive, held against an independent reading of its text files in plain Python."""

import zipfile
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

import aa1xr


@pytest.fixture(scope="module")
def texts(real_archive):
    """{(area, cell, type, wav name): lines of the spike file}."""
    with zipfile.ZipFile(real_archive) as archive:
        names = [n for n in archive.namelist() if "/stim" in n and "_cells/" in n]
        out = {}
        for name in names:
            *_, folder, cell, type_, _ = name.split("/")
            wav = archive.read(name).decode().strip()
            spikes = archive.read(name.replace("/stim", "/spike")).decode()
            out[folder.removesuffix("_cells"), cell, type_, wav] = spikes.split("\n")[:-1]
        return out


def test_open__is_98_neurons_by_30_stimuli(real_archive, texts):
    ds = aa1xr.open(real_archive, dt_ms=5)
    assert dict(ds.sizes) == {"neuron": 98, "stimulus": 30, "trial": 15, "time": 501, "freq": 32}
    assert Counter(ds.area.values) == {"Field_L": 49, "MLd": 49}
    assert Counter(ds.type.values) == {"conspecific": 20, "flatrip": 10}
    assert set(ds.neuron.values) == {cell for _, cell, _, _ in texts}
    heard = ds.n_trials.compute() > 0
    assert int(heard.sum()) == len(texts) == 2900
    silent = ds.neuron[(heard.sel(type="conspecific").sum("stimulus") == 0).values]
    assert set(silent.values) == {"pipu1018_2_A", "pipu1018_2_B"}
    assert ds.attrs["doi"] == "10.6080/K0F769GP"


@pytest.mark.parametrize(("dt_ms", "every"), [(5, 1), (0.5, 5)])
def test_spikes__are_those_of_the_text_files(real_archive, texts, dt_ms, every):
    ds = aa1xr.open(real_archive, dt_ms=dt_ms, chunks=None).isel(neuron=slice(None, None, every))
    per_bin = round(dt_ms * 1000)
    stimuli = {key: s for s, key in enumerate(zip(ds.type.values, ds.name.values, strict=True))}
    n_bins = [-(-int(n) // round(32 * dt_ms)) for n in ds.n_samples.values]
    expected = {cell: Counter() for cell in ds.neuron.values}
    trials = {cell: {} for cell in ds.neuron.values}
    for (area, cell, type_, wav), lines in texts.items():
        if cell not in expected:
            continue
        s = stimuli[type_, wav]
        trials[cell][s] = len(lines)
        assert ds.area.sel(neuron=cell).item() == area
        for r, line in enumerate(lines):
            for token in line.split():
                k = round(float(token) * 1000) // per_bin
                if 0 <= k < n_bins[s]:
                    expected[cell][s, r, k] += 1
    for n, cell in enumerate(ds.neuron.values):
        counts = ds.spikes[n].values
        inside = np.zeros(counts.shape, bool)
        for s, n_trials in trials[cell].items():
            inside[s, :n_trials, : n_bins[s]] = True
        assert (np.isnan(counts) == ~inside).all()
        found = zip(*np.nonzero(np.nan_to_num(counts)), strict=True)
        got = {tuple(map(int, key)): int(counts[key]) for key in found}
        assert got == expected[cell]


def test_spikes__whole_window_holds_every_spike(real_archive, texts):
    total = sum(len(line.split()) for lines in texts.values() for line in lines)
    assert total == 710_298
    ds = aa1xr.open(real_archive, before_ms=2000, after_ms=3000)
    assert float(ds.spikes.sum(dtype="f8")) == total
    assert float(ds.spikes.sel(time=slice(None, -0.001)).sum(dtype="f8")) == 75_358


def test_spike_counts__are_those_of_the_text_files(real_archive, texts):
    ds = aa1xr.open(real_archive, dt_ms=5)
    neurons = {cell: n for n, cell in enumerate(ds.neuron.values)}
    stimuli = {key: s for s, key in enumerate(zip(ds.type.values, ds.name.values, strict=True))}
    windows = [(0, None), (-2, 0), (0.0123, 0.4567), (0, 4)]
    n_samples = ds.n_samples.values.tolist()
    expected = np.full((len(windows), 98, 30, 15), np.nan)
    for (_, cell, type_, wav), lines in texts.items():
        n, s = neurons[cell], stimuli[type_, wav]
        bounds = [
            (
                Fraction(str(start)) * 10**6,
                Fraction(n_samples[s] * 10**6, 32000)
                if stop is None
                else Fraction(str(stop)) * 10**6,
            )
            for start, stop in windows
        ]
        bounds = [(float(first), float(end)) for first, end in bounds]
        for r, line in enumerate(lines):
            times = np.array([round(float(token) * 1000) for token in line.split()])
            for w, (first, end) in enumerate(bounds):
                expected[w, n, s, r] = np.count_nonzero((times >= first) & (times < end))
    for (start, stop), counts in zip(windows, expected, strict=True):
        np.testing.assert_array_equal(aa1xr.spike_counts(ds, start=start, stop=stop), counts)


@pytest.mark.parametrize("dt_ms", [5, 7])
def test_psth__after_the_sound_is_that_of_the_text_files(real_archive, texts, dt_ms):
    """From 3 to 4 s, which is after every sound; beyond is nothing, and not silence."""
    ds = aa1xr.open(real_archive, dt_ms=dt_ms, before_ms=2000, after_ms=4000)
    stop = 4000 // dt_ms  # bins that end by then
    first = -(-3000 // dt_ms)
    expected = []
    for lines in texts.values():
        late = [float(token) for line in lines for token in line.split()]
        n = sum(first * dt_ms <= time < stop * dt_ms for time in late)
        expected.append(n / len(lines) / ((stop - first) * dt_ms / 1000))
    psth = ds.psth.compute()
    number = np.round(psth.time.values * 1000 / dt_ms)
    rates = psth[..., (number >= first) & (number < stop)].mean("time")
    np.testing.assert_allclose(np.sort(rates.values[rates.notnull()]), np.sort(expected), rtol=1e-4)
    assert psth[..., number >= stop].isnull().all()
    assert psth[..., number < -(2000 // dt_ms)].isnull().all()
    assert (psth.notnull().any("time") == (ds.n_trials > 0)).all()


def test_psth__is_the_mean_of_the_spikes(real_archive):
    ds = aa1xr.open(real_archive, dt_ms=5)
    mean = (ds.spikes.mean("trial") / 0.005).compute()
    np.testing.assert_array_equal(ds.psth, mean)


def test_graph__is_small(real_archive):
    for dt_ms in (5, 1):
        ds = aa1xr.open(real_archive, dt_ms=dt_ms)
        assert len(ds.__dask_graph__()) <= 1000
