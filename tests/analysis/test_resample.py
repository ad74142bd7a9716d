import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from tests.small_archives import RATE, archives, fewer, open_temporary


def by_loops(values, *, first, factor, average):
    """New bins from the definition: NaN unless all they join is there. [shape: (..., time)]."""
    n = values.shape[-1]
    numbers = range(first // factor, (first + n - 1) // factor + 1)
    out = np.full((*values.shape[:-1], len(numbers)), np.nan)
    for row in np.ndindex(values.shape[:-1]):
        for k, number in enumerate(numbers):
            start = number * factor - first
            if start < 0 or start + factor > n:
                continue
            total = sum(float(value) for value in values[row][start : start + factor])
            out[(*row, k)] = total / factor if average else total
    return out


def test_resample__by_loops(sample_archive):
    ds = aa1xr.open_sample(before_ms=15, chunks=None).isel(
        neuron=[0, 2, 8], stimulus=[1, 12], trial=[0, 12]
    )
    got = aa1xr.resample(ds, dt_ms=20)
    for name, average in (("spikes", False), ("psth", True)):
        expected = by_loops(ds[name].values, first=-3, factor=4, average=average)
        np.testing.assert_allclose(got[name], expected, rtol=1e-6)
    spectrogram = ds.spectrogram.values.astype(float)
    for k in range(got.sizes["time"]):
        # Before the onset and after the sounds the bins that are not in `ds` are silent.
        power = spectrogram[..., max(0, 4 * k - 1) : 4 * k + 3] ** 3
        np.testing.assert_allclose(got.spectrogram[..., k], np.cbrt(power.sum(-1) / 4), rtol=1e-6)


@fewer
@given(
    archives(),
    st.integers(1, 200),
    st.integers(1, 9),
    st.integers(0, 600),
    st.integers(0, 900),
    st.sampled_from([None, {"time": 7}]),
)
def test_resample__is_what_open_gives(made, hop, factor, before, after, chunks):
    """Every bin whose spikes are all in the old window; the rest is NaN."""
    options = {"before_ms": before * 1000 / RATE, "after_ms": after * 1000 / RATE}
    fine_ms, wide_ms = hop * 1000 / RATE, hop * factor * 1000 / RATE
    # The spectrogram is not computed, but its parameters must be possible ones.
    options |= {"n_mels": 1}
    with open_temporary(made, dt_ms=fine_ms, chunks=chunks, **options) as ds:
        wide = aa1xr.open(ds.encoding["source"], dt_ms=wide_ms, chunks=None, **options)
        got = aa1xr.resample(ds.drop_vars("spectrogram"), dt_ms=wide_ms)
        np.testing.assert_array_equal(got.time, wide.time)
        assert got.time.attrs == wide.time.attrs
        assert got.attrs["dt_ms"] == wide.attrs["dt_ms"]
        n_before = -(-before // hop)
        ends = -(-(ds.n_samples.values + after) // hop)
        start = np.round(wide.time.values * RATE / hop).astype(int)
        whole = (start >= -n_before) & (start + factor <= ends[:, np.newaxis])
        counts = made.counts(wide, hop=hop * factor, before=before, after=after)
        np.testing.assert_array_equal(
            got.spikes, np.where(whole[np.newaxis, :, np.newaxis], counts, np.nan)
        )
        expected = np.where(whole[np.newaxis], wide.psth, np.nan)
        np.testing.assert_allclose(got.psth, expected, rtol=1e-5)


def test_resample__nothing_is_missing_within_a_wider_window(ds):
    """What the documentation advises for the incomplete bin at the end of a sound."""
    wide = aa1xr.open_sample(dt_ms=20)
    assert aa1xr.resample(ds, dt_ms=20).psth.count() < wide.psth.count()
    got = aa1xr.resample(aa1xr.open_sample(dt_ms=5, after_ms=20), dt_ms=20)
    for name in ("spikes", "psth"):
        sound = wide[name].notnull()
        inner = got[name].sel(time=wide.time).where(sound)
        np.testing.assert_allclose(inner, wide[name], rtol=1e-6)


def test_resample__twice_is_once(ds):
    twice = aa1xr.resample(aa1xr.resample(ds, dt_ms=10), dt_ms=30)
    once = aa1xr.resample(ds, dt_ms=30)
    np.testing.assert_array_equal(twice.spikes, once.spikes)
    np.testing.assert_allclose(twice.psth, once.psth, rtol=1e-5)
    assert twice.time.identical(once.time)


def test_resample__to_the_present_width_changes_nothing(ds):
    xr.testing.assert_identical(aa1xr.resample(ds, dt_ms=5).compute(), ds.compute())


def test_resample__of_a_stretch_keeps_the_edges(ds):
    some = ds.sel(time=slice(0.03, 0.099))
    got = aa1xr.resample(some, dt_ms=20)
    assert got.time.values.tolist() == [0.02, 0.04, 0.06, 0.08]
    assert got.psth.isel(time=0).isnull().all()
    whole = aa1xr.resample(ds, dt_ms=20).sel(time=slice(0.04, 0.08))
    np.testing.assert_array_equal(got.spikes.isel(time=slice(1, None)), whole.spikes)
    # The sound was cut at 30 ms, within the first of the new bins, and so is not known there.
    assert got.spectrogram.isel(time=0).isnull().all()
    np.testing.assert_array_equal(got.spectrogram[..., 1:], whole.spectrogram)
    mean = ds.assign(spectrogram=ds.spectrogram.mean("stimulus"))
    assert aa1xr.resample(mean, dt_ms=20).spectrogram.dims == ("freq", "time")
    cut = aa1xr.resample(ds.sel(time=slice(0, 0.094)), dt_ms=20).spectrogram
    assert cut.isnull().any(["stimulus", "freq"]).values.tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("dt_ms", "compression"), [(10, "db"), (15, "cubic"), (40, "log1p"), (10, "none")]
)
def test_resample__the_spectrogram_is_what_open_computes(sample_archive, dt_ms, compression):
    options = {"compression": compression, "before_ms": 35}
    for more in ({}, {"window_ms": 20, "frames": "causal"}):
        fine = aa1xr.open(sample_archive, dt_ms=5, **options, **more)
        got = aa1xr.resample(fine, dt_ms=dt_ms).spectrogram
        wide = aa1xr.open(sample_archive, dt_ms=dt_ms, **options, **more).spectrogram
        scale = float(wide.max() - wide.min())
        np.testing.assert_allclose(got, wide, rtol=0, atol=1e-6 * scale)
        assert got.attrs == wide.attrs
        np.testing.assert_array_equal(got.time, wide.time)


def test_resample__says_what_its_frames_cover(sample_archive):
    """From bins of 1 ms there are more frames than `open` takes, and they cover more."""
    got = aa1xr.resample(aa1xr.open_sample(dt_ms=1), dt_ms=20).spectrogram.attrs
    assert (got["frame_start_ms"], got["frame_stop_ms"], got["dt_ms"]) == (-5, 24, 20)
    got = aa1xr.resample(aa1xr.open_sample(dt_ms=1, frames="causal"), dt_ms=20).spectrogram.attrs
    assert (got["frame_start_ms"], got["frame_stop_ms"]) == (-9, 20)


def test_resample__refuses_a_spectrogram_that_was_scaled(ds):
    scaled, _ = aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))
    wide = aa1xr.resample(ds.assign(spectrogram=scaled.variable), dt_ms=20)
    with pytest.raises(ValueError, match=r"values below 0, which is silence.*resample first"):
        wide.spectrogram.compute()


def test_resample__keeps_attributes(ds):
    got = aa1xr.resample(ds, dt_ms=10)
    assert list(got.data_vars) == list(ds.data_vars)
    for name in ("spikes", "psth", "n_trials", "neuron", "freq"):
        assert got[name].attrs == ds[name].attrs
        assert got[name].dtype == ds[name].dtype
    assert got.time.attrs == ds.time.attrs | {"dt_ms": 10.0}
    assert got.attrs == ds.attrs | {"dt_ms": 10.0}
    assert ds.time.attrs["dt_ms"] == 5


def test_resample__saves_and_loads(ds, tmp_path):
    got = aa1xr.resample(ds.sel(area="MLd"), dt_ms=20)
    aa1xr.save(got, tmp_path / "wide.zarr")
    xr.testing.assert_identical(aa1xr.load(tmp_path / "wide.zarr").compute(), got.compute())


def test_resample__own_variables_average_unless_they_are_counts(ds):
    late = xr.DataArray(np.arange(434), dims="time", attrs={"units": "1"})
    some = ds.merge({"late": late, "licks": late.assign_attrs(units="spikes")})
    got = aa1xr.resample(some[["late", "licks"]], dt_ms=10)
    assert got.late.values[:2].tolist() == [0.5, 2.5]
    assert got.licks.values[:2].tolist() == [1, 5]


def test_resample__refuses_broken_axes(ds):
    for broken in (ds.isel(time=slice(None, None, 2)), ds.isel(time=[3, 2])):
        with pytest.raises(ValueError, match="adjacent"):
            aa1xr.resample(broken, dt_ms=10)
    points = {dim: xr.DataArray([3, 4], dims="point") for dim in ("time", "neuron")}
    others = (ds.isel(points), ds.stack(both=("time", "trial")))
    for none in (ds.isel(time=3), ds.isel(time=[]), *others):
        with pytest.raises(ValueError, match="slice"):
            aa1xr.resample(none, dt_ms=10)
    with pytest.raises(ValueError, match="drop_vars"):
        aa1xr.resample(ds.assign_coords(phase=("time", ds.time.values)), dt_ms=10)


def test_resample__of_the_real_archive_is_what_open_gives(real_archive):
    got = aa1xr.resample(aa1xr.open(real_archive, dt_ms=1), dt_ms=20)
    wide = aa1xr.open(real_archive, dt_ms=20)
    np.testing.assert_array_equal(got.time, wide.time)
    ends = -(-wide.n_samples // 32)
    whole = np.round(wide.time * 1000) + 20 <= ends
    expected = wide.psth.where(whole).compute()
    np.testing.assert_allclose(got.psth, expected.transpose(*got.psth.dims), rtol=1e-5)
    counts = got.spikes.sum(["trial", "time"]).compute()
    np.testing.assert_array_equal(counts, wide.spikes.where(whole).sum(["trial", "time"]))
    got = aa1xr.resample(aa1xr.open(real_archive, dt_ms=5), dt_ms=20).spectrogram
    np.testing.assert_allclose(got, wide.spectrogram, rtol=0, atol=3e-6)


@pytest.mark.parametrize("dim", ["neuron", "stimulus", "trial", "freq"])
def test_resample__of_nothing_is_nothing(sample_archive, dim):
    ds = aa1xr.open_sample(dt_ms=20, chunks=None).isel({dim: []})
    assert aa1xr.resample(ds, dt_ms=40).compute().sizes == dict(ds.sizes) | {"time": 55}


def bare(ds):
    """The same Dataset with variables that have lost their attributes, as assignment gives them."""
    return ds.assign({name: (array.dims, array.data) for name, array in ds.items()})


def test_resample__knows_counts_and_rates_by_name(ds):
    # Without its attributes nobody knows how the spectrogram was compressed.
    ds = ds.drop_vars("spectrogram")
    expected = aa1xr.resample(ds, dt_ms=20)
    xr.testing.assert_equal(aa1xr.resample(bare(ds), dt_ms=20), expected)


def test_resample__of_assigned_counts_keeps_their_number(ds):
    ripples = ds.sel(type="flatrip")
    once = ripples.assign(spikes=(ripples.spikes.dims, np.minimum(ripples.spikes.values, 1)))
    wide = aa1xr.resample(once, dt_ms=40)
    assert float(wide.spikes.sum()) == float(once.spikes.sum())
    np.testing.assert_allclose(aa1xr.psth(wide).mean(), aa1xr.psth(once).mean(), rtol=1e-5)


def test_resample__of_own_variables_needs_units(ds):
    mine = ds.psth.drop_attrs(deep=False)
    with pytest.raises(ValueError, match=r"'mine' must have units.*attrs\['units'\]"):
        aa1xr.resample(ds.assign(mine=mine), dt_ms=20)
    for units, average in (("spikes/s", True), ("1", True), ("spikes", False)):
        got = aa1xr.resample(ds.assign(mine=mine.assign_attrs(units=units)), dt_ms=20)
        expected = got.psth if average else 4 * got.psth
        np.testing.assert_allclose(got.mine, expected, rtol=1e-5)
    aa1xr.resample(ds.assign(mine=ds.n_trials.drop_attrs(deep=False)), dt_ms=20)


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_functions__on_variables_without_attributes(ds):
    for function in (
        aa1xr.psth,
        aa1xr.spike_counts,
        aa1xr.presented,
        lambda d: aa1xr.quality(d).snr,
        lambda d: aa1xr.score(d, d.psth).cc_norm,
        lambda d: aa1xr.take_trials(d, "odd").psth,
    ):
        np.testing.assert_array_equal(function(bare(ds)), function(ds))
