import matplotlib as mpl
import numpy as np
import pytest

import aa1xr
from aa1xr.plot import response


def test_response__shows_what_is_in_the_data(sample_archive):
    ds = aa1xr.open_sample(before_ms=100)
    figure = response(ds, "sim0000_1_B", "flatrip-00")
    sound, raster, rate = figure.axes
    one = ds.sel(neuron="sim0000_1_B", stimulus="flatrip-00").compute()
    assert sound.get_xlim() == raster.get_xlim() == rate.get_xlim()
    np.testing.assert_allclose(rate.get_xlim(), (-0.1, 2.0))
    (lines,) = raster.collections
    assert len(lines.get_segments()) == int((one.spikes > 0).sum())
    assert raster.get_ylim() == (14.5, -0.5)
    (stairs,) = rate.patches
    np.testing.assert_array_equal(stairs.get_data().values, one.psth.dropna("time"))
    assert "(s)" in rate.get_xlabel()
    assert "spikes/s" in rate.get_ylabel()
    assert "kHz" in sound.get_ylabel()


def test_response__of_what_was_never_heard(sample_archive):
    with pytest.raises(ValueError, match="sim0000_2_A never heard conspecific-00"):
        response(aa1xr.open_sample(), "sim0000_2_A", "conspecific-00")
    with pytest.raises(KeyError, match="did you mean 'flatrip-0"):
        response(aa1xr.open_sample(), "sim0000_2_A", "flatrip-9")


def test_psth__plots_as_the_readme_says(sample_archive):
    mpl.use("agg")
    ds = aa1xr.open_sample()
    mesh = ds.psth.sel(area="MLd", type="conspecific").mean("neuron").plot()
    assert mesh.axes.get_xlabel() == "time from stimulus onset [s]"
    assert "firing rate" in mesh.colorbar.ax.get_ylabel()
    (line,) = ds.psth.sel(stimulus="flatrip-00", neuron="sim0000_1_A").plot()
    assert line.axes.get_title().startswith("neuron = sim0000_1_A")
