import sys
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy import stats

import aa1xr
from aa1xr import plot

CELL = "sim0000_1_B"  # 15 trials of each sound
NO_SONGS = "sim0000_2_A"


@pytest.fixture(scope="module")
def ds(sample_archive):
    return aa1xr.open_sample(before_ms=100)


@pytest.fixture(autouse=True)
def figures():
    """None is left open."""
    yield
    plt.close("all")


@pytest.fixture
def ax():
    """Axes that pyplot knows nothing of."""
    return Figure().subplots()


@pytest.fixture(scope="module")
def fields():
    """Two receptive fields of 3 bands and 4 lags; the second is all zero."""
    weights = np.zeros((2, 3, 4))
    weights[0] = np.arange(12).reshape(3, 4) - 3
    return xr.DataArray(
        weights,
        {
            "neuron": ["a", "b"],
            "area": ("neuron", ["MLd", "Field_L"]),
            "freq": [1000.0, 1500.0, 2100.0],
            "lag": np.arange(4) * 0.005,
        },
        ("neuron", "freq", "lag"),
        attrs={"units": "spikes/s"},
    )


def stairs(ax):
    return [patch for patch in ax.patches if isinstance(patch, mpl.patches.StepPatch)]


def level(sound):
    """A spectrogram in dB relative to its maximum, down to -50 dB."""
    power = sound.astype(float) ** 3
    return 10 * np.log10(np.maximum(power / power.max(), 1e-5))


def marks(ax):
    """Where vertical lines mark the sound."""
    return [line.get_xdata()[0] for line in ax.lines]


# response


def test_response__is_three_pictures_on_one_axis(ds):
    axes = sound, raster, rate = plot.response(ds, CELL, "flatrip-00")
    one = ds.sel(neuron=CELL, stimulus="flatrip-00").compute()
    for panel in axes:
        np.testing.assert_allclose(panel.get_xlim(), (-0.1, 2.0))
    (mesh,) = sound.collections
    np.testing.assert_allclose(mesh.get_array(), level(one.spectrogram.sel(time=slice(0, 1.995))))
    (lines,) = raster.collections
    assert len(lines.get_segments()) == int(one.spikes.sum())
    np.testing.assert_allclose(stairs(rate)[0].get_data().values, one.psth.dropna("time"))
    assert sound.get_title() == "sim0000_1_B (Field L), flatrip-00"
    assert [panel.get_title() for panel in axes[1:]] == ["", ""]
    assert [panel.get_xlabel() for panel in axes] == ["", "", "time from stimulus onset (s)"]
    labels = [panel.get_ylabel() for panel in axes]
    assert labels == ["frequency (kHz)", "trial", "rate (spikes/s)"]


@pytest.mark.parametrize("draw", [plot.response, plot.raster, plot.psth])
def test_plots__of_what_was_never_heard_leave_no_figure(draw, ds):
    with pytest.raises(ValueError, match=r"sim0000_2_A \(MLd\), conspecific-00: never presented"):
        draw(ds, NO_SONGS, "conspecific-00")
    assert plt.get_fignums() == []


def test_plots__without_matplotlib_say_so(ds, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in (ds.aa1.plot.coverage, ds.sel(stimulus="flatrip-00").aa1.plot.psth):
        with pytest.raises(ImportError, match=r"matplotlib is not installed.*the extra plot"):
            draw()


def test_response__goes_into_a_subfigure(ds):
    left, right = Figure().subfigures(1, 2)
    axes = plot.response(ds, CELL, "flatrip-00", figure=right)
    assert right.axes == list(axes)
    assert left.axes == []
    assert plt.get_fignums() == []


def test_response__rate_is_of_the_trials_above_it(ds):
    even = ds.isel(trial=slice(0, None, 2))
    _, raster, rate = plot.response(even, CELL, "flatrip-00")
    one = even.sel(neuron=CELL, stimulus="flatrip-00")
    assert raster.get_ylim() == (7.5, -0.5)
    np.testing.assert_allclose(
        stairs(rate)[0].get_data().values, aa1xr.psth(one).dropna("time"), rtol=1e-6
    )
    assert not np.allclose(stairs(rate)[0].get_data().values, one.psth.dropna("time"))


@pytest.mark.parametrize("name", ["raster", "psth"])
def test_plots__take_the_one_that_is_left(name, ds, ax):
    other = Figure().subplots()
    draw = getattr(plot, name)
    assert draw(ds, CELL, "flatrip-00", ax=ax) is ax
    draw(ds.sel(neuron=[CELL], stimulus="flatrip-00"), ax=other)
    assert ax.get_title() == other.get_title()
    assert len(ax.collections + ax.patches) == len(other.collections + other.patches)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["raster", "psth", "spectrogram", "coverage"])
def test_plots__take_the_variable_itself(name, ds, ax):
    variable = {"raster": "spikes", "coverage": "n_trials"}.get(name, name)
    chosen = ds.sel(neuron=CELL, stimulus="flatrip-00")
    getattr(plot, name)(chosen[variable], ax=ax)
    assert ax.has_data()


def test_plots__without_axes_make_a_figure_of_pyplots(ds):
    axes = plot.coverage(ds)
    assert plt.get_fignums() == [axes.figure.number]


def test_plots__of_a_masked_dataset(ds, ax):
    plot.psth(ds.where(ds.area == "MLd"), stimulus="flatrip-00", ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "MLd: mean ± s.e.m. of 6 neurons"
    ]


# raster


def test_raster__marks_each_spike_in_its_bin(ds, ax):
    spikes = ds.spikes.sel(neuron=CELL, stimulus="conspecific-00").compute()
    plot.raster(ds, CELL, "conspecific-00", ax=ax)
    (lines,) = ax.collections
    drawn = np.zeros(spikes.shape, int)
    for (x, low), (also_x, high) in lines.get_segments():
        assert x == also_x
        drawn[round((low + high) / 2), np.searchsorted(spikes.time, x) - 1] += 1
    np.testing.assert_array_equal(drawn, spikes.fillna(0))
    assert spikes.max() > 1  # so that bins of several spikes are among them
    assert ax.get_ylim() == (14.5, -0.5)


def test_raster__refuses_smoothed_counts(ds, ax):
    smoothed = ds.assign(spikes=aa1xr.smooth(ds.spikes))
    for draw in (plot.raster, plot.response):
        with pytest.raises(ValueError, match=r"whole numbers.*it was smoothed \(hann, 21 ms\)"):
            draw(smoothed, CELL, "conspecific-00")


def test_raster__numbers_the_trials_that_were(ds, ax):
    plot.raster(ds.isel(trial=[1, 4, 9, 12]), "sim0000_1_A", "flatrip-00", ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "4", "9"]
    assert ax.get_ylim() == (2.5, -0.5)


def test_raster__of_one_trial_and_of_silence(ds, ax):
    quiet = ds.isel(trial=0) * 0
    quiet.time.attrs = ds.time.attrs
    plot.raster(quiet, CELL, "flatrip-00", ax=ax)
    (lines,) = ax.collections
    assert lines.get_segments() == []
    assert ax.get_ylim() == (0.5, -0.5)
    ax.figure.canvas.draw()


# marks of the sound


@pytest.mark.parametrize(
    ("window", "wanted"),
    [({}, []), ({"before_ms": 500}, [0]), ({"before_ms": 10, "after_ms": 300}, [0, 2.163875])],
)
def test_plots__mark_onset_and_end_where_they_show(window, wanted, sample_archive, ax):
    ds = aa1xr.open_sample(**window)
    assert float(ds.duration_s.sel(stimulus="conspecific-00")) == 2.163875
    for draw in (plot.raster, plot.psth):
        ax.clear()
        assert marks(draw(ds, CELL, "conspecific-00", ax=ax)) == wanted


# psth


def test_psth__of_one_cell_is_its_values(ds, ax):
    plot.psth(ds, CELL, "conspecific-00", ax=ax)
    (steps,) = stairs(ax)
    rate = ds.psth.sel(neuron=CELL, stimulus="conspecific-00").dropna("time")
    np.testing.assert_array_equal(steps.get_data().values, rate)
    np.testing.assert_allclose(steps.get_data().edges[:-1], rate.time, atol=1e-12)
    np.testing.assert_allclose(np.diff(steps.get_data().edges), 0.005)
    assert ax.get_ylim()[0] == 0


def test_psth__of_several_cells_is_mean_and_error_by_area(ds, ax):
    plot.psth(ds, stimulus="conspecific-00", ax=ax)
    rate = ds.psth.sel(stimulus="conspecific-00").dropna("time", how="all")
    for area, colour, n in (("Field_L", "#d55e00", 6), ("MLd", "#0072b2", 5)):
        cells = rate.sel(area=area).dropna("neuron", how="all").values.astype(float)
        assert len(cells) == n
        band, line = (
            step
            for step in stairs(ax)
            if colour in (to_hex(step.get_facecolor()), to_hex(step.get_edgecolor()))
        )
        mean, error = cells.mean(0), cells.std(0, ddof=1) / np.sqrt(n)
        np.testing.assert_allclose(line.get_data().values, mean, rtol=1e-5)
        np.testing.assert_allclose(band.get_data().values, mean + error, rtol=1e-5)
        np.testing.assert_allclose(band.get_data().baseline, mean - error, rtol=1e-4, atol=1e-4)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["Field L: mean ± s.e.m. of 6 neurons", "MLd: mean ± s.e.m. of 5 neurons"]


def test_psth__an_area_keeps_its_colour(ds, ax):
    plot.psth(ds.sel(area="MLd"), stimulus="flatrip-00", ax=ax)
    assert to_hex(stairs(ax)[1].get_edgecolor()) == "#0072b2"


def test_psth__of_own_areas_or_one_cell_of_them_or_none(ds, ax):
    three = ds.isel(neuron=[0, 1, 6])
    mine = three.assign_coords(area=("neuron", ["L1", "L1", "L2"]))
    plot.psth(mine, stimulus="flatrip-00", ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["L1: mean ± s.e.m. of 2 neurons", "L2: 1 neuron"]
    ax.clear()
    plot.psth(three.drop_vars("area"), stimulus="flatrip-00", ax=ax)
    (text,) = ax.get_legend().get_texts()
    assert text.get_text() == "neurons: mean ± s.e.m. of 3 neurons"


def test_psth__of_scaled_rates(ds, ax):
    rate, _ = aa1xr.standardize(ds.psth, over=["stimulus", "time"])
    plot.psth(rate, CELL, "flatrip-00", ax=ax)
    assert ax.get_ylim()[0] < 0
    assert ax.get_ylabel() == "rate"


def test_psth__plots_with_xarray_too(ds):
    mesh = ds.psth.sel(area="MLd", type="conspecific").mean("neuron").plot()
    assert mesh.axes.get_xlabel() == "time from stimulus onset [s]"
    assert "firing rate" in mesh.colorbar.ax.get_ylabel()
    # The line of the README: whole rows, in the order of the stimuli.
    songs = ds.psth.sel(area="MLd", type="conspecific").mean("neuron")
    image = songs.plot.imshow(ax=Figure().subplots())
    np.testing.assert_array_equal(image.get_array(), songs)
    assert image.axes.get_ylim() == (-0.5, 9.5)
    names = [label.get_text() for label in image.axes.get_yticklabels()]
    assert [name for name in names if name] == songs.stimulus.values.tolist()
    (line,) = ds.psth.sel(stimulus="flatrip-00", neuron="sim0000_1_A").plot()
    assert line.axes.get_title().startswith("neuron = sim0000_1_A")


# spectrogram


def test_spectrogram__has_its_bands_at_their_frequencies(ds, ax):
    plot.spectrogram(ds, "conspecific-00", ax=ax)
    (mesh,) = ax.collections
    sound = ds.spectrogram.sel(stimulus="conspecific-00").transpose("freq", "time")
    n_bins = int(np.ceil(float(sound.duration_s) / 0.005))
    np.testing.assert_allclose(mesh.get_array(), level(sound[:, 20 : 20 + n_bins]))
    assert mesh.get_clim() == (-50, 0)
    assert mesh.colorbar.ax.get_ylabel() == "level (dB re max.)"
    assert ax.get_xlim() == (0, n_bins * 0.005)
    edges = mesh.get_coordinates()[:, 0, 1] * 1000
    assert ((edges[:-1] < ds.freq.values) & (ds.freq.values < edges[1:])).all()
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    assert ticks == ["0.5", "1", "2", "4", "8"]
    ax.figure.canvas.draw()
    heights = ax.transData.transform([(0, edge / 1000) for edge in edges])[:, 1]
    np.testing.assert_allclose(np.diff(heights), np.diff(heights).mean(), rtol=1e-6)


@pytest.mark.parametrize("bands", [slice(10, 14), [5]], ids=["few", "one"])
def test_spectrogram__of_some_bands(bands, ds, ax):
    some = ds.isel(freq=bands)
    plot.spectrogram(some, "conspecific-00", ax=ax)
    low, high = np.array(ax.get_ylim()) * 1000
    assert low < some.freq[0] <= some.freq[-1] < high
    assert [tick for tick in ax.get_yticks() if low <= tick * 1000 <= high]


# strf


def test_strf__is_symmetric_about_zero(fields, ax):
    plot.strf(fields, "a", ax=ax)
    mesh, contours = ax.collections
    np.testing.assert_array_equal(mesh.get_array(), fields.sel(neuron="a"))
    assert mesh.get_clim() == (-8, 8)
    assert contours.levels.tolist() == [-4, 4]
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], [0, 5, 10, 15, 20])
    assert ax.get_xlabel() == "lag (ms)"
    assert ax.get_title() == "a (MLd)"
    (bar,) = (other for other in ax.figure.axes if other is not ax)
    assert bar.get_ylabel() == "weight (spikes/s)"


def test_strf__is_over_the_delay_from_sound_to_response(fields, ax):
    # Bins of 5 ms, and frames that end with their bin: sound of lag 0 is 0 to 15 ms earlier.
    frames = {"dt_ms": 5.0, "frame_start_ms": -10.0, "frame_stop_ms": 5.0}
    plot.strf(fields.assign_coords(lag=("lag", fields.lag.values, frames)), "a", ax=ax)
    edges = ax.collections[0].get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges, np.array([0, 5, 10, 15, 20]) + 2.5)
    assert ax.get_xlabel() == "delay from sound to response (ms)"


def test_strf__of_a_dataset_in_any_order_of_dimensions(fields, ax):
    fit = fields.transpose("lag", "neuron", "freq").to_dataset(name="strf")
    assert fit.aa1.plot.strf("a", ax=ax) is ax
    np.testing.assert_array_equal(ax.collections[0].get_array(), fields.sel(neuron="a"))


def test_strf__of_zeros(fields, ax):
    plot.strf(fields, "b", ax=ax)
    assert ax.collections[0].get_clim() == (-1, 1)


# modulation_spectrum


def test_modulation_spectrum__contours_enclose_parts_of_the_power(ax):
    # A Gaussian in the plane: a part p of the power is within sqrt(-2 log(1 - p)) deviations.
    y, x = np.linspace(0, 4, 81), np.linspace(-50, 50, 101)
    spectrum = xr.DataArray(
        np.exp(-((y[:, np.newaxis] / 0.5) ** 2 + (x / 10) ** 2) / 2),
        {
            "spectral_modulation": ("spectral_modulation", y, {"units": "cycles/kHz"}),
            "temporal_modulation": x,
        },
        ("spectral_modulation", "temporal_modulation"),
    )
    plot.modulation_spectrum(spectrum.transpose(), ax=ax)
    mesh, contours = ax.collections
    np.testing.assert_allclose(mesh.get_array(), np.maximum(10 * np.log10(spectrum), -40))
    for path, part in zip(contours.get_paths(), (0.8, 0.5), strict=True):
        reach = np.abs(path.vertices[:, 0]).max()
        np.testing.assert_allclose(reach, 10 * np.sqrt(-2 * np.log(1 - part)), rtol=0.03)
    assert ax.get_xlabel() == "temporal modulation (Hz)"
    assert ax.get_ylabel() == "spectral modulation (cycles/kHz)"
    assert ax.get_xlim() == (-50, 50)
    # 40 dB are sqrt(2 log(10^4)) = 4.29 deviations.
    np.testing.assert_allclose(ax.get_ylim(), (0, 2.15), atol=0.06)


def test_modulation_spectrum__of_data_is_that_of_its_spectrum(ds, fields, ax):
    spectra = aa1xr.modulation_spectrum(ds).compute()
    plot.modulation_spectrum(spectra, stimulus="flatrip-00", ax=ax)
    wanted = ax.collections[0].get_array()
    assert ax.get_title() == "flatrip-00"
    for data in (ds, ds.spectrogram):
        ax.clear()
        plot.modulation_spectrum(data, stimulus="flatrip-00", ax=ax)
        np.testing.assert_allclose(ax.collections[0].get_array(), wanted)
    ax.clear()
    assert fields.to_dataset(name="strf").aa1.plot.modulation_spectrum("a", ax=ax) is ax
    assert ax.get_title() == "a (MLd)"
    octaves = aa1xr.modulation_spectrum(fields, scale="octaves")
    plot.modulation_spectrum(octaves, "b", ax=ax)  # all zero
    assert ax.get_ylabel() == "spectral modulation (cycles/octave)"
    with pytest.raises(ValueError, match=r"a \(MLd\): the modulation spectrum is NaN"):
        plot.modulation_spectrum(fields * np.nan, "a", ax=ax)
    with pytest.raises(ValueError, match="one stimulus is drawn, and the data has 15"):
        plot.modulation_spectrum(spectra, ax=ax)


# coverage


def test_coverage__colours_are_the_numbers_of_presentations(ds, ax):
    shuffled = ds.isel(neuron=[7, 0, 6, 1], stimulus=[14, 0, 1])
    plot.coverage(shuffled, ax=ax)
    (mesh,) = ax.collections
    bar = mesh.colorbar.ax
    numbers = np.array([0 if t.get_text() == "never" else int(t.get_text())
                        for t in bar.get_yticklabels()])  # fmt: skip
    assert numbers.tolist() == [0, 10, 15]
    drawn = numbers[mesh.get_array().astype(int)]
    by_area = shuffled.isel(neuron=[1, 3, 0, 2], stimulus=[1, 2, 0])
    np.testing.assert_array_equal(drawn, by_area.n_trials)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == by_area.neuron.values.tolist()
    groups = {text.get_text(): text.get_position() for text in ax.texts}
    assert groups["Field L"][1] == 1
    assert groups["MLd"][1] == 3
    assert groups["conspecific"][0] == 1
    assert groups["flatrip"][0] == 2.5
    never, *some = mesh.cmap(mesh.norm(np.arange(3)))
    assert never.tolist() == [1, 1, 1, 1]
    assert all(shade[:3].max() < 0.9 for shade in some)


def test_coverage__names_only_those_who_missed_something_among_many(ds, ax):
    missed = ds[["n_trials"]]
    many = xr.concat(
        [missed.assign_coords(neuron=[f"{k}{n}" for n in ds.neuron.values]) for k in range(3)],
        "neuron",
    )
    plot.coverage(many, ax=ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [f"{k}{NO_SONGS}" for k in range(3)]


def test_coverage__of_the_real_archive(real_archive, ax):
    plot.coverage(aa1xr.open(real_archive), ax=ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["pipu1018_2_B", "pipu1018_2_A"]


@pytest.mark.parametrize(
    "select",
    [
        lambda ds: ds.sel(neuron=NO_SONGS, type="conspecific"),
        lambda ds: ds.sel(neuron=CELL, stimulus="flatrip-00"),
        lambda ds: ds.where(ds.n_trials > 10),
        lambda ds: ds.drop_vars("area"),
    ],
    ids=["never", "one pair", "masked", "without areas"],
)
def test_coverage__of_any_selection(select, ds, ax):
    plot.coverage(select(ds), ax=ax)
    ax.figure.canvas.draw()


# quality


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_quality__shows_every_neuron(ds, ax):
    ccmax = aa1xr.quality(ds).ccmax.compute()
    plot.quality(ds, ax=ax)
    samples = []
    for points, box, median, area in zip(
        ax.collections, ax.lines[::4], ax.lines[3::4], ("Field_L", "MLd"), strict=True
    ):
        known = ccmax.sel(area=area).dropna("neuron").values
        np.testing.assert_allclose(points.get_offsets()[:, 1], known)
        np.testing.assert_allclose(
            np.unique(box.get_ydata()), np.quantile(known, [0.25, 0.75]), rtol=1e-6
        )
        np.testing.assert_allclose(median.get_ydata(), np.median(known))
        samples.append(known)
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["Field L\nn = 5 of 6", "MLd\nn = 6"]
    p = stats.mannwhitneyu(*samples).pvalue
    assert ax.get_title() == f"p = {p:.2g} (Mann-Whitney U)"
    assert ax.get_ylabel() == "noise ceiling (CCmax)"


def test_quality__points_do_not_hide_each_other(ax):
    many = xr.DataArray(np.full(50, 0.5), {"neuron": np.arange(50)}, "neuron", name="same")
    plot.quality(many, ax=ax)
    assert len(np.unique(ax.collections[0].get_offsets()[:, 0])) == 50


def test_quality__draws_what_is_finite(ax):
    area = {"area": ("neuron", ["MLd"] * 3)}
    snr = xr.DataArray([1.0, np.inf, np.nan], area, "neuron", name="snr")
    plot.quality(snr, ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["MLd\nn = 1 of 3"]
    with pytest.raises(ValueError, match="snr is finite for no neuron"):
        plot.quality(snr[1:], ax=ax)
    with pytest.raises(ValueError, match="measure must be numbers; 'area' has 'MLd'"):
        plot.quality(snr.area, ax=ax)


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_quality__takes_what_was_measured_already(ds, ax, monkeypatch):
    measured = aa1xr.quality(ds).compute()
    labelled = aa1xr.with_quality(ds)
    scores = aa1xr.score(ds, ds.psth)
    monkeypatch.setattr("aa1xr.analysis.quality.quality", None)
    for data, measure in ((measured, "snr"), (labelled, "snr"), (scores, "cc_norm")):
        ax.clear()
        plot.quality(data, measure=measure, ax=ax)
        assert ax.get_ylabel() == data[measure].attrs["long_name"]
    plot.quality(measured.rate_driven, ax=ax)
    assert ax.get_ylabel() == "firing rate while the stimulus plays (spikes/s)"


@pytest.mark.parametrize("dt_ms", [1, 20])
def test_response__sound_lies_beside_its_spikes(sample_archive, dt_ms):
    ds = aa1xr.open_sample(dt_ms=dt_ms, before_ms=100)
    sound, raster, rate = plot.response(ds, "sim0000_1_A", "conspecific-00")
    (mesh,) = sound.collections
    edges = mesh.get_coordinates()[0, :, 0]
    one = ds.sel(neuron="sim0000_1_A", stimulus="conspecific-00").compute()
    assert len(raster.collections[0].get_segments()) == int(one.spikes.sum())
    n_bins = int(one.psth.notnull().sum())
    left = one.time.values[:n_bins]
    all_edges = np.append(left, left[-1] + dt_ms / 1000)
    playing = left >= 0
    np.testing.assert_allclose(edges, all_edges[all_edges >= 0], atol=1e-12)
    np.testing.assert_allclose(mesh.get_array(), level(one.spectrogram[:, :n_bins][:, playing]))
    (steps,) = rate.patches
    if dt_ms == 20:
        np.testing.assert_allclose(steps.get_data().edges, all_edges, atol=1e-12)
    else:
        at_5_ms = aa1xr.resample(one[["spikes"]], 5)
        np.testing.assert_allclose(
            steps.get_data().values, at_5_ms.spikes.mean("trial").dropna("time") / 0.005, rtol=1e-6
        )
    assert sound.get_xlim() == raster.get_xlim() == rate.get_xlim()
    np.testing.assert_allclose(rate.get_xlim(), (all_edges[0], all_edges[-1]), atol=1e-12)


# response: its own bins, smoothing, and a prediction


def test_response__psth_has_bins_of_its_own(ds):
    _, raster, rate = plot.response(ds, CELL, "flatrip-00", bin_ms=20)
    one = ds[["spikes"]].sel(neuron=CELL, stimulus="flatrip-00")
    wide = aa1xr.resample(one, 20).spikes.mean("trial").dropna("time") / 0.02
    np.testing.assert_allclose(stairs(rate)[0].get_data().values, wide, rtol=1e-6)
    assert len(raster.collections[0].get_segments()) == int(one.spikes.sum())
    with pytest.raises(ValueError, match="dt_ms=7 is not a multiple"):
        plot.response(ds, CELL, "flatrip-00", bin_ms=7)


def test_response__psth_is_smoothed(ds):
    *_, rate = plot.response(ds, CELL, "flatrip-00", smooth_ms=21)
    wanted = aa1xr.smooth(ds.psth.sel(neuron=CELL, stimulus="flatrip-00"), 21).dropna("time")
    np.testing.assert_allclose(stairs(rate)[0].get_data().values, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "part", [{}, {"neuron": CELL}, {"neuron": CELL, "stimulus": "flatrip-00"}], ids=len
)
def test_response__prediction_is_drawn_over_the_psth(part, ds):
    prediction = (ds.psth * 3 + 20).transpose("time", ...)
    prediction.time.attrs = ds.time.attrs
    *_, rate = plot.response(ds, CELL, "flatrip-00", prediction=prediction.sel(part))
    measured, predicted = stairs(rate)
    wanted = ds.psth.sel(neuron=CELL, stimulus="flatrip-00").dropna("time")
    np.testing.assert_allclose(measured.get_data().values, wanted)
    np.testing.assert_allclose(predicted.get_data().values, wanted * 3 + 20)
    assert rate.get_ylim()[1] > float(wanted.max()) * 3 + 20
    labels = [text.get_text() for text in rate.get_legend().get_texts()]
    assert labels == ["PSTH", "prediction"]
    np.testing.assert_allclose(rate.get_xlim(), (-0.1, 2.0))


def test_response__refuses_a_prediction_of_others(ds):
    with pytest.raises(ValueError, match="never presented"):
        plot.response(ds, CELL, "flatrip-00", prediction=ds.psth * np.nan)
    with pytest.raises(KeyError, match="flatrip-00"):
        plot.response(ds, CELL, "flatrip-00", prediction=ds.psth.sel(type="conspecific"))
    with pytest.raises(TypeError, match="prediction is Dataset"):
        plot.response(ds, CELL, "flatrip-00", prediction=ds)
    for other in ({"stimulus": "flatrip-01"}, {"neuron": ds.neuron.values[-1]}):
        with pytest.raises(ValueError, match=r"prediction must be for \w+ '\S+'; it is for '\S+'"):
            plot.response(ds, CELL, "flatrip-00", prediction=ds.psth.sel(other))
    with pytest.raises(ValueError, match="must be in spikes/s; its units are 'count'"):
        plot.response(ds, CELL, "flatrip-00", prediction=ds.psth.assign_attrs(units="count"))
    other = ds.psth.assign_coords(name=ds.name.copy(data=ds.name.values[::-1]))
    with pytest.raises(ValueError, match="another sound in the prediction and in the Dataset"):
        plot.response(ds, CELL, "flatrip-00", prediction=other)


@pytest.mark.parametrize(
    "draw", [plot.spectrogram, lambda *a, **k: plot.response(a[0], CELL, *a[1:], **k)]
)
def test_spectrogram__shows_bands_up_to_fmax(draw, ds):
    drawn = draw(ds, "flatrip-00", fmax=4000)
    ax = drawn[0] if isinstance(drawn, tuple) else drawn
    np.testing.assert_allclose(ax.get_ylim()[1], 4)
    with pytest.raises(ValueError, match="fmax must be above"):
        draw(ds, "flatrip-00", fmax=0)


def test_spectrogram__of_scaled_values_has_no_decibels(ds, ax):
    scaled, _ = aa1xr.standardize(ds.spectrogram, over=["stimulus", "time"])
    plot.spectrogram(scaled, "flatrip-00", ax=ax)
    (mesh,) = ax.collections
    np.testing.assert_allclose(
        mesh.get_array(), scaled.sel(stimulus="flatrip-00", time=slice(0, 1.995))
    )
    assert mesh.colorbar.ax.get_ylabel() == "spectrogram"


# raster of many


def count_marks(ax):
    return [len(lines.get_segments()) for lines in ax.collections]


def test_raster__of_all_stimuli_of_a_neuron(ds, ax):
    plot.raster(ds.isel(stimulus=[14, 0, 1]), NO_SONGS, ax=ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["flatrip-04"]  # the only one that it was presented
    plot.raster(ds.isel(stimulus=[14, 0, 1]), CELL, ax=(other := Figure().subplots()))
    names = [label.get_text() for label in other.get_yticklabels()]
    assert names == ["conspecific-00", "conspecific-01", "flatrip-04"]
    one = ds.spikes.sel(neuron=CELL, stimulus=names)
    assert count_marks(other) == one.sum(["trial", "time"]).values.tolist()
    assert other.get_ylim() == (44.5, -0.5)  # 15 trials of each
    greys = {bar.get_y() + 0.5: bar.get_x() for bar in other.patches}
    assert greys[30] == float(ds.duration_s.sel(stimulus="flatrip-04"))
    assert other.get_title() == f"{CELL} (Field L)"


def test_raster__of_all_neurons_for_a_stimulus(ds, ax):
    shuffled = ds.isel(neuron=[7, 0, 6, 1]).transpose("time", "trial", ...)
    plot.raster(shuffled, stimulus="flatrip-00", ax=ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ds.neuron.values[[0, 1, 7, 6]].tolist()
    one = ds.spikes.sel(neuron=names, stimulus="flatrip-00")
    assert count_marks(ax) == one.sum(["trial", "time"]).values.tolist()
    colours = [to_hex(lines.get_color()[0]) for lines in ax.collections]
    assert colours == ["#d55e00"] * 2 + ["#0072b2"] * 2
    assert [text.get_text() for text in ax.texts] == ["Field L", "MLd"]
    assert ax.get_ylabel() == "4 neurons"
    with pytest.raises(ValueError, match="one neuron is drawn, and the data has 4"):
        plot.raster(shuffled, ax=ax)


# population


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_population__is_sorted_by_a_measure_in_each_area(ds, ax):
    plot.population(ds, "conspecific-00", by="snr", ax=ax)
    snr = aa1xr.quality(ds).snr.compute().fillna(-1)
    order = [
        name
        for area in ("Field_L", "MLd")
        for name in snr.sel(area=area).sortby(-snr.sel(area=area)).neuron.values
        if name != NO_SONGS
    ]
    assert [label.get_text() for label in ax.get_yticklabels()] == order
    rates = ds.psth.sel(neuron=order, stimulus="conspecific-00").dropna("time", how="all")
    (mesh,) = ax.collections
    np.testing.assert_array_equal(mesh.get_array(), rates)
    np.testing.assert_allclose(mesh.get_clim(), (0, rates.quantile(0.99)))
    assert ax.get_ylabel() == "11 neurons, by snr"
    assert ax.get_ylim() == (11, 0)


def test_population__takes_values_of_ones_own_and_keeps_the_order_without(ds, ax):
    first = ds.isel(neuron=slice(3)).transpose("time", ...)
    plot.population(first, "flatrip-00", ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == first.neuron.values.tolist()
    depth = xr.DataArray([1.0, 3.0, 2.0], {"neuron": first.neuron.values}, "neuron", name="depth")
    plot.population(first.psth, "flatrip-00", by=depth[::-1], ax=ax)
    wanted = first.neuron.values[[1, 2, 0]].tolist()
    assert [label.get_text() for label in ax.get_yticklabels()] == wanted
    with pytest.raises(ValueError, match="by must be one value for each neuron"):
        plot.population(first, "flatrip-00", by=first.psth)
    with pytest.raises(ValueError, match="measure='nonsense'"):
        plot.population(first, "flatrip-00", by="nonsense")
    with pytest.raises(ValueError, match="by must be numbers; 'area' has 'Field_L'"):
        plot.population(first, "flatrip-00", by="area")


# strfs


def test_strfs__have_one_scale_of_colours(fields):
    three = xr.concat([fields, fields.isel(neuron=[0]) * 2], "neuron")
    three = three.assign_coords(neuron=["a", "b", "c"]).transpose("lag", ...)
    for shared, limit, factor in ((True, 16, (1, 1, 1)), (False, 1, (8, 1, 16))):
        figure = Figure()
        axes = plot.strfs(three, columns=2, shared=shared, figure=figure)
        assert axes.shape == (3,)
        for ax, name, most in zip(axes, "abc", factor, strict=True):
            mesh = ax.collections[0]
            assert mesh.get_clim() == (-limit, limit)
            wanted = three.sel(neuron=name).transpose("freq", "lag")
            np.testing.assert_allclose(mesh.get_array(), wanted / most)
        assert len(figure.axes) == 4  # with the bar
    assert axes[1].get_title() == "b\n(Field L)"


def test_strfs__leave_out_neurons_without_a_field(fields):
    axes = plot.strfs(fields.where(fields.neuron == "b"), figure=Figure())
    assert [ax.get_title() for ax in axes] == ["b\n(Field L)"]
    with pytest.raises(ValueError, match="were not estimated"):
        plot.strfs(fields * np.nan)
    with pytest.raises(ValueError, match="data must be of 1 to 100 neurons; got 0"):
        plot.strfs(fields.isel(neuron=[]))
    with pytest.raises(ValueError, match="columns=0; expected a whole number, at least 1"):
        plot.strfs(fields, columns=0)
    assert plt.get_fignums() == []


# compare


@pytest.fixture
def scores():
    return xr.DataArray(
        [[0.5, 0.7, np.nan, 0.1], [0.3, 0.5, 0.2, np.nan]],
        {"neuron": ["a", "b", "c", "d"], "area": ("neuron", ["MLd", "MLd", "Field_L", "Field_L"])},
        ("split", "neuron"),
        name="cc_norm",
    )


def test_compare__has_a_point_for_each_neuron_of_both(scores, ax):
    other = (scores + np.array([[0.1], [-0.2]])).isel(neuron=[3, 1, 0]).T
    plot.compare(scores, other, labels=("ridge", "gru"), ax=ax)
    field_l, mld = (points.get_offsets() for points in ax.collections)
    np.testing.assert_allclose(field_l, [[0.1, 0.2]])
    np.testing.assert_allclose(mld, [[0.4, 0.35], [0.6, 0.55]])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["Field L: 1 of 1 above the line", "MLd: 0 of 2 above the line"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("ridge", "gru")
    assert ax.get_xlim() == ax.get_ylim()
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


def test_compare__averages_what_both_have(scores, ax):
    plot.compare(scores, scores.where(scores != 0.5), ax=ax)
    points = np.concatenate([points.get_offsets() for points in ax.collections])
    assert sorted(points[:, 0]) == sorted(points[:, 1])  # as if both had lost the same


def test_compare__takes_results_of_models(scores, ax):
    a, b = (scores.to_dataset().assign_attrs(model=model) for model in ("ridge", "gru"))
    assert a.aa1.plot.compare(b, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("ridge (cc_norm)", "gru (cc_norm)")


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda scores: scores * np.nan, {}, "they share none"),
        (lambda scores: scores.assign_coords(neuron=list("wxyz")), {}, "they share none"),
        (lambda scores: scores.to_dataset(), {"measure": "r2"}, "measure must be .*has cc_norm"),
        (lambda scores: scores.isel(neuron=0), {}, "must have the dimension 'neuron'"),
        (lambda scores: scores, {"labels": "ab"}, "labels must be two texts"),
        (lambda scores: scores[:, :2].drop_vars("neuron"), {}, "must have the same neurons"),
    ],
)
def test_compare__refuses(change, options, says, scores, ax):
    with pytest.raises(ValueError, match=says):
        plot.compare(scores, change(scores), ax=ax, **options)


# styles


@pytest.fixture(scope="module")
def fit(ds):
    songs = aa1xr.drop_missing(ds.sel(type="conspecific"))
    train, validation, _ = aa1xr.split(songs)
    return aa1xr.strf(songs, train=train, validation=validation).compute()


DRAWN = {
    "compare": lambda ds, fit: plot.compare(fit.cc_validation, fit.cc_validation**2),
    "coverage": lambda ds, fit: plot.coverage(ds),
    "modulation_spectrum": lambda ds, fit: plot.modulation_spectrum(ds, stimulus="flatrip-00"),
    "population": lambda ds, fit: plot.population(ds, "flatrip-00"),
    "psth": lambda ds, fit: plot.psth(ds, stimulus="conspecific-00"),
    "quality": lambda ds, fit: plot.quality(fit, measure="cc_validation"),
    "raster": lambda ds, fit: plot.raster(ds, CELL),
    "response": lambda ds, fit: plot.response(ds, CELL, "conspecific-00", prediction=ds.psth),
    "spectrogram": lambda ds, fit: plot.spectrogram(ds, "conspecific-00"),
    "strf": lambda ds, fit: plot.strf(fit, CELL),
    "strfs": lambda ds, fit: plot.strfs(fit.isel(neuron=slice(7))),
}


@pytest.mark.parametrize("name", DRAWN)
def test_style__paper_fits_a_column_and_is_legible(name, ds, fit):
    with plot.style("paper"):
        drawn = DRAWN[name](ds, fit)
        figure = np.ravel(drawn)[0].figure
        figure.canvas.draw()
    assert figure.get_figwidth() * 25.4 <= 85 + 1e-6
    texts = [
        text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text()
    ]
    assert min(text.get_fontsize() for text in texts) >= 5
    # Of one axis: tick labels do not touch.
    for ax in figure.axes:
        for axis, side in ((ax.xaxis, "x"), (ax.yaxis, "y")):
            shown = [
                label for label in axis.get_ticklabels() if label.get_text() and label.get_visible()
            ]
            boxes = sorted(
                (getattr(box, f"{side}0"), getattr(box, f"{side}1"))
                for box in (label.get_window_extent() for label in shown)
            )
            low, high = getattr(ax.bbox, f"{side}0"), getattr(ax.bbox, f"{side}1")
            boxes = [box for box in boxes if low - 1 <= sum(box) / 2 <= high + 1]
            assert all(one[1] <= next_[0] + 1 for one, next_ in pairwise(boxes)), (
                f"{name}: labels touch on {side}"
            )
    # And nothing is cut.
    width, height = figure.bbox.width, figure.bbox.height
    for text in texts:
        if text.axes is None or text.get_window_extent().width == 0:
            continue
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1
        on_axis = text in [*text.axes.get_xticklabels(), *text.axes.get_yticklabels()]
        assert inside or on_axis, f"{name}: {text.get_text()!r} is cut"


def test_style__covers_every_plot_and_leaves_nothing_behind():
    assert set(DRAWN) | {"style"} == set(plot.__all__)
    before = dict(mpl.rcParams)
    for kind in ("paper", "talk"):
        with plot.style(kind):
            assert mpl.rcParams["font.size"] != before["font.size"]
    assert dict(mpl.rcParams) == before
    with pytest.raises(ValueError, match="kind='poster'; expected"), plot.style("poster"):
        pass
