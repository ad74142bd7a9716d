import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from aa1xr.export.timeline import make_timelines
from tests.small_archives import archives, fewer, open_temporary


@fewer
@given(archives())
def test_lay_out__loses_and_moves_nothing(made):
    with open_temporary(made) as ds:
        events, sites = make_timelines(ds)
    names = list(zip(events.type.values, events.name.values, strict=True))
    assert sorted(n for site in sites for n in site.neurons) == list(range(ds.sizes["neuron"]))
    for site in sites:
        assert (site.start < site.onset).all()
        assert (site.onset < site.stop).all()
        assert (site.start[1:] > site.stop[:-1]).all()
        assert site.start[0] == 0
        for number, neuron in enumerate(site.neurons):
            cell = str(events.neuron.values[neuron])
            assert cell.startswith(f"{site.animal_id}_{site.cell_seq}")
            left = {key: [*map(list, trials)] for key, trials in made.trials[cell].items()}
            spikes = site.spike_times[number]
            assert (np.diff(spikes) >= 0).all()
            for p, (s, r) in enumerate(zip(site.stimulus, site.trial, strict=True)):
                inside = spikes[(spikes >= site.start[p]) & (spikes <= site.stop[p])]
                found = np.round((inside - site.onset[p]) * 1e6).astype(int).tolist()
                trials = left.get(names[s], [])
                assert site.heard[number, p] == (r < len(trials))
                assert found == (trials[r] if r < len(trials) else [])
            assert spikes.size == sum(len(t) for trials in left.values() for t in trials)


def test_lay_out__trial_by_trial(ds):
    _, sites = make_timelines(ds)
    assert len(sites) == 6
    for site in sites:
        assert (np.diff(site.trial) >= 0).all()
        np.testing.assert_allclose(site.onset - site.start, 2)
        np.testing.assert_allclose(site.stop - site.onset, 4)
        np.testing.assert_allclose(site.start[1:] - site.stop[:-1], 0.001, rtol=1e-6)


def test_lay_out__nothing_heard(ds: xr.Dataset):
    with pytest.raises(ValueError, match="none of these neurons"):
        make_timelines(ds.sel(neuron=["sim0000_2_A"], type="conspecific"))
