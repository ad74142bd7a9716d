import shutil
import subprocess

import numpy as np
import pytest
from scipy.io import loadmat

import aa1xr


def cell(array):
    """A column of text as a list."""
    return [item[0] if item.size else "" for item in array[:, 0]]


def test_to_mat__refuses_a_label_that_it_would_replace(ds, tmp_path):
    own = ds.assign_coords(spike_times=("neuron", np.arange(12)))
    with pytest.raises(ValueError, match="label 'spike_times' has the name of a variable"):
        aa1xr.to_mat(own, tmp_path / "sample.mat")


def test_to_mat__has_every_trial_and_label(ds, trains, tmp_path):
    own = ds.assign_coords(depth_um=("neuron", [np.nan, *range(11)]), rig=("neuron", [""] * 12))
    file = aa1xr.to_mat(own, tmp_path / "new" / "sample.mat")
    found = loadmat(file)
    assert cell(found["neuron"]) == ds.neuron.values.tolist()
    assert cell(found["type"]) == ds.type.values.tolist()
    assert cell(found["rig"]) == [""] * 12
    np.testing.assert_array_equal(found["depth_um"][:, 0], own.depth_um)
    np.testing.assert_array_equal(found["duration_s"][:, 0], ds.duration_s)
    np.testing.assert_array_equal(found["n_trials"], ds.n_trials)
    assert found["attributes"]["source_sha256"][0, 0].item() == ds.attrs["source_sha256"]
    read = {}
    for (n, s), cells in np.ndenumerate(found["spike_times"]):
        assert cells.shape == (ds.n_trials.values[n, s], 1)
        numbers = found["trial"][n, s][:, 0].astype(int).tolist()
        for number, train in zip(numbers, cells[:, 0], strict=True):
            assert train.shape[0] == 1
            read[str(ds.neuron.values[n]), str(ds.stimulus.values[s]), number] = train[0]
    assert read.keys() == trains.keys()
    for key, times in trains.items():
        np.testing.assert_array_equal(read[key], times / 1e6)


def test_to_mat__of_a_selection(ds, tmp_path):
    picked = aa1xr.take_trials(ds.sel(neuron="sim0000_2_A", type="flatrip"), [3, 1])
    found = loadmat(aa1xr.to_mat(picked, tmp_path / "one.mat"))
    assert found["spike_times"].shape == (1, 5)
    assert found["trial"][0, 0].ravel().tolist() == [3, 1]
    events = loadmat(aa1xr.to_mat(aa1xr.events(picked), tmp_path / "events.mat"))
    np.testing.assert_array_equal(
        events["spike_times"][0, 2][1, 0], found["spike_times"][0, 2][1, 0]
    )


def test_to_mat__refuses(ds, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.mat.*got .*spikes\.txt"):
        aa1xr.to_mat(ds, tmp_path / "spikes.txt")
    own = ds.assign_coords({"depth (um)": ("neuron", np.arange(12))})
    with pytest.raises(ValueError, match=r"names that MATLAB takes.*got 'depth \(um\)'. Rename"):
        aa1xr.to_mat(own, tmp_path / "spikes.mat")
    (tmp_path / "mine.mat").write_text("mine")
    with pytest.raises(FileExistsError, match=r"mine\.mat exists"):
        aa1xr.to_mat(ds, tmp_path / "mine.mat")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.mat"]


SCRIPT = """
S = load('{file}');
is_silent = @(train) isempty(train);
for n = 1:numel(S.neuron)
  for s = 1:numel(S.stimulus)
    trains = S.spike_times{{n, s}};
    counts = cellfun(@numel, trains);
    printf('%s %s %s %d %d %d %.6f\\n', S.neuron{{n}}, S.area{{n}}, S.stimulus{{s}}, ...
           S.n_trials(n, s), sum(counts), sum(cellfun(is_silent, trains)), sum([trains{{:}}]));
  end
end
"""


def test_to_mat__in_octave(ds, trains, tmp_path):
    if not shutil.which("octave-cli"):
        pytest.skip("needs Octave")
    file = aa1xr.to_mat(ds, tmp_path / "sample.mat")
    (tmp_path / "read.m").write_text(SCRIPT.format(file=file))
    done = subprocess.run(
        ["octave-cli", "--no-init-file", str(tmp_path / "read.m")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = []
    for n, neuron in enumerate(ds.neuron.values):
        for stimulus in ds.stimulus.values:
            own = [t for (i, j, _), t in trains.items() if (i, j) == (neuron, stimulus)]
            total = sum(t.sum() for t in own) / 1e6
            n_spikes, n_silent = sum(t.size for t in own), sum(t.size == 0 for t in own)
            expected.append(
                f"{neuron} {ds.area.values[n]} {stimulus} {len(own)} {n_spikes} {n_silent} "
                f"{total:.6f}"
            )
    assert done.stdout.splitlines() == expected
