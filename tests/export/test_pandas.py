import pandas as pd
import pytest

import aa1xr


def test_to_pandas__one_row_a_spike(ds, trains):
    table = aa1xr.to_pandas(ds)
    columns = ["neuron", "area", "animal_id", "stimulus", "type", "trial", "time_s"]
    assert table.columns.tolist() == columns
    assert len(table) == sum(map(len, trains.values()))
    groups = table.groupby(["neuron", "stimulus", "trial"], observed=True).time_s
    found = {key: times.tolist() for key, times in groups}
    assert found == {key: (t / 1e6).tolist() for key, t in trains.items() if t.size}
    for label, dim in (("area", "neuron"), ("animal_id", "neuron"), ("type", "stimulus")):
        assert isinstance(table[label].dtype, pd.CategoricalDtype)
        of = dict(zip(ds[dim].values, ds[label].values, strict=True))
        assert (table[label] == table[dim].map(of)).all()


def test_to_pandas__of_a_selection_in_its_order(ds):
    table = aa1xr.to_pandas(ds.sel(neuron=["sim0001_1_B", "sim0000_1_B"]).isel(trial=[3, 0]))
    assert table.neuron.unique().tolist() == ["sim0001_1_B", "sim0000_1_B"]
    assert table.trial.unique().tolist() == [3, 0]


def test_to_pandas__of_events(ds):
    picked = ds.sel(area="MLd")
    events = aa1xr.events(picked)
    pd.testing.assert_frame_equal(aa1xr.to_pandas(events), aa1xr.to_pandas(picked))
    with pytest.raises(ValueError, match="selected or sorted after they were made"):
        aa1xr.to_pandas(events.isel(neuron=[0]))


def test_to_pandas__of_the_real_archive_is_small(real_archive):
    table = aa1xr.to_pandas(aa1xr.open(real_archive))
    assert len(table) == 710_298
    assert table.memory_usage(deep=True).sum() < 15e6
