"""Held against pynwb, and the NWB community's own inspector."""

import numpy as np
import pytest

import aa1xr
from aa1xr import arguments
from tests.archive.pretend_known import known_archive, pretend
from tests.small_archives import SmallArchive

pynwb = pytest.importorskip("pynwb")
nwbinspector = pytest.importorskip("nwbinspector")


@pytest.fixture(scope="module")
def files(ds, tmp_path_factory):
    return aa1xr.to_nwb(ds, tmp_path_factory.mktemp("nwb"))


def read(path):
    """{(neuron, stimulus, trial): microseconds} of a file, by its trials and units."""
    out = {}
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        trials, units = file.trials.to_dataframe(), file.units.to_dataframe()
    for unit in units.itertuples():
        observed = {tuple(interval) for interval in unit.obs_intervals}
        n_spikes = 0
        for trial in trials.itertuples():
            if (trial.start_time, trial.stop_time) not in observed:
                continue
            times = unit.spike_times
            inside = times[(times >= trial.start_time) & (times <= trial.stop_time)]
            onset = trial.stimulus_onset_time
            out[unit.neuron, trial.stimulus, trial.trial] = np.round((inside - onset) * 1e6)
            n_spikes += inside.size
        assert n_spikes == unit.spike_times.size
    return out


def test_to_nwb__round_trip(files, trains):
    names = [f"sim0000_{n}.nwb" for n in range(1, 6)] + ["sim0001_1.nwb"]
    assert [path.name for path in files] == names
    found = {key: times for path in files for key, times in read(path).items()}
    assert found.keys() == trains.keys()
    for key, times in trains.items():
        np.testing.assert_array_equal(found[key], times)


def test_to_nwb__rates_in_pynapple_are_ours(ds, files):
    nap = pytest.importorskip("pynapple")
    counts = aa1xr.events(ds).row_size.sum(["stimulus", "trial"])
    # 2 s before each onset to 4 s after it: nothing of the sample lies beyond.
    seconds = 6 * ds.n_trials.sum("stimulus")
    rates = (counts / seconds).compute()
    for path in files:
        file = nap.load_file(str(path))
        units, trials = file["units"], file["trials"]
        ours = rates.sel(neuron=units["neuron"].values)
        n_trials = ds.n_trials.sel(neuron=ours.neuron).sum("stimulus").compute()
        # The others were not recorded in each trial of their site: all of AA1's were.
        ours = ours.where(n_trials == len(trials), units["rate"].values)
        assert n_trials.max() == len(trials)
        # Of a file, pynapple divides by the time from the first spike to the last.
        np.testing.assert_allclose(units["rate"].values, ours, rtol=0.01)
        within = units.restrict(trials)["rate"].values[n_trials == len(trials)]
        np.testing.assert_allclose(within, ours[n_trials == len(trials)], rtol=1e-5)


def test_to_nwb__says_what_is_known(files, ds):
    with pynwb.NWBHDF5IO(str(files[0]), "r") as io:
        file = io.read()
        units = file.units.to_dataframe().set_index("neuron")
        for label in ("area", "cell_seq", "rig"):
            expected = ds[label].sel(neuron=units.index.values)
            assert units[label].tolist() == expected.values.tolist()
        trials = file.trials.to_dataframe()
        durations = trials.stimulus_offset_time - trials.stimulus_onset_time
        known = ds.duration_s.sel(stimulus=trials.stimulus.values)
        np.testing.assert_allclose(durations, known)
        assert trials.type.tolist() == ds.type.sel(stimulus=trials.stimulus.values).values.tolist()
        for sound in aa1xr.sounds(ds, dtype="int16").waveform:
            kept = file.stimulus_template[sound.stimulus.item()]
            np.testing.assert_array_equal(kept.data[:], sound[: sound.n_samples.item()])
            assert kept.rate == 32000
        assert "invented" in file.session_description
        assert "placeholder" in file.session_description
        assert "no recorded data" in file.notes
        assert file.subject.species is None


def inspect(path):
    messages = nwbinspector.inspect_nwbfile(nwbfile_path=str(path))
    suggestion = nwbinspector.Importance.BEST_PRACTICE_SUGGESTION
    return {m.check_function_name for m in messages if m.importance.value > suggestion.value}


def test_to_nwb__inspector_on_simulated_cells(files):
    # They are of no species and no age, and nothing else is amiss.
    assert inspect(files[-1]) == {"check_subject_age", "check_subject_species_exists"}


def test_to_nwb__inspector_on_recordings(ds, tmp_path, monkeypatch):
    # As a recording is written: what is simulated is not told from it by its text files.
    sounds = [nwb_sound(s) for s in ds.isel(stimulus=slice(2)).stimulus.values]
    trial = [[-1_500_000, 12_345, 3_900_001], [0, 7]]
    heard = {(sound.type, sound.name): trial for sound in sounds}
    made = SmallArchive(
        sounds, {"b1_1_A": "MLd", "b1_2": "Field_L"}, {"b1_1_A": heard, "b1_2": heard}
    )
    archive = made.write(tmp_path / "a.zip")
    path, _ = aa1xr.to_nwb(aa1xr.open(archive, data_dir=tmp_path / "other"), tmp_path / "other")
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert "unknown origin" in file.session_description  # nothing says that it is of AA1
        assert file.related_publications is None
    pretend(monkeypatch, known_archive(archive))
    recording = aa1xr.open(archive, data_dir=tmp_path)
    path, _ = aa1xr.to_nwb(recording, tmp_path)
    assert inspect(path) == set()
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert (file.subject.species, file.subject.sex) == ("Taenopygia guttata", "M")
        assert "not to be redistributed" in file.notes
        assert "10.6080/K0F769GP" in file.experiment_description


def nwb_sound(label):
    from aa1xr.archive.write import make_sound

    number = int(label[-2:])
    return make_sound("flatrip", np.full(64_000, number + 1, np.int16), 32_000)


def test_to_nwb__never_overwrites(ds, tmp_path):
    (tmp_path / "sim0001_1.nwb").write_text("mine")
    with pytest.raises(FileExistsError, match=r"sim0001_1\.nwb"):
        aa1xr.to_nwb(ds, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sim0001_1.nwb"]
    assert (tmp_path / "sim0001_1.nwb").read_text() == "mine"


def test_to_nwb__whole_or_not_at_all(ds, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(pynwb.NWBHDF5IO, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        aa1xr.to_nwb(ds, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_to_nwb__of_events_and_one_cell(ds, trains, tmp_path):
    one = ds.sel(neuron=["sim0001_1_A"], type="flatrip").isel(trial=[2])
    (path,) = aa1xr.to_nwb(aa1xr.events(one), tmp_path / "~new")
    found = read(path)
    assert found.keys() == {("sim0001_1_A", f"flatrip-0{k}", 2) for k in range(5)}
    for key, times in found.items():
        np.testing.assert_array_equal(times, trains[key])


@pytest.mark.parametrize("name", ["../../x", "/x", "a\\b", "a:b", "NUL.", "a?"])
def test_to_nwb__an_animal_leads_nowhere(name, ds, tmp_path, monkeypatch):
    # Windows would write "a:b_1.nwb" into a hidden stream of a file "a".
    monkeypatch.setattr(arguments, "_WINDOWS", name in {"a:b", "NUL.", "a?"})
    ds = ds.assign_coords(animal_id=("neuron", [name] * ds.sizes["neuron"]))
    with pytest.raises(ValueError, match="animal_id must be a name that a file can have"):
        aa1xr.to_nwb(ds, tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
