import dataclasses

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.benchmark import PROTOCOLS


def test_protocols__know_their_name():
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == protocol.attrs["protocol"] == name


def test_rancon2025__is_what_was_published():
    protocol = PROTOCOLS["rancon2025"]
    assert protocol.attrs == {
        "protocol": "rancon2025",
        "protocol_dt_ms": 1.0,
        "protocol_types": ["conspecific"],
        "protocol_order": "sorted",
        "protocol_n_splits": 1,
        "protocol_held_out": 0.15,
        "protocol_smooth_ms": 21.0,
        "protocol_n_mels": 32,
        "protocol_window_ms": 10.0,
        "protocol_fmin": 0.0,
        "protocol_fmax": 16000.0,
        "protocol_compression": "cubic",
        "protocol_frames": "centred",
        "protocol_kernel": "numpy.hanning, raw, on each presentation",
        "protocol_score": (
            "CCnorm (Schoppe et al. 2016), signal power of concatenated test stimuli"
        ),
    }


def test_splits__of_the_real_archive(real_archive):
    ds = aa1xr.open(real_archive)
    names = ds.name.sel(type="conspecific").values
    (split,) = PROTOCOLS["rancon2025"].splits(ds)
    parts = [ds.name.sel(stimulus=part).values.tolist() for part in split]
    assert [len(part) for part in parts] == [14, 3, 3]
    assert np.concatenate(parts).tolist() == sorted(names)
    for split in PROTOCOLS["cv10-ripples"].splits(ds):
        assert [part.size for part in split] == [14 + 6, 3 + 2, 3 + 2]


def test_splits__are_disjoint_and_differ(ds):
    splits = PROTOCOLS["cv10"].splits(ds)
    assert len(splits) == 10
    songs = ds.stimulus.sel(type="conspecific").values.tolist()
    for split in splits:
        assert sorted(np.concatenate(split)) == songs
    assert len({tuple(sorted(split.test)) for split in splits}) > 5


def test_prepare__smooths_with_the_raw_window(ds, protocol):
    got = protocol.prepare(ds)
    assert set(got.type.values) == {"conspecific"}
    spikes = ds.sel(type="conspecific").spikes
    n = int(spikes[0, 0].notnull().any("trial").sum())
    row = spikes[0, 0, 0].values[:n]
    kernel = np.hanning(5)
    np.testing.assert_allclose(
        got.spikes[0, 0, 0].values[:n], np.convolve(row, kernel, "same"), atol=1e-5
    )
    np.testing.assert_allclose(got.psth, got.spikes.mean("trial") / 0.005, rtol=1e-4, atol=1e-3)


def test_prepare__refuses_what_is_prepared_and_what_lacks_a_dimension(ds, protocol):
    with pytest.raises(ValueError, match="'spikes' of the Dataset is smoothed already"):
        protocol.prepare(protocol.prepare(ds))
    for dim in ("neuron", "stimulus"):
        with pytest.raises(ValueError, match=f"must have the dimension '{dim}'; select one"):
            protocol.prepare(ds.isel({dim: 0}))


def test_rancon2025_mixture__is_what_was_published():
    attrs = PROTOCOLS["rancon2025-mixture"].attrs
    assert attrs == PROTOCOLS["rancon2025"].attrs | {
        "protocol": "rancon2025-mixture",
        "protocol_types": ["conspecific", "flatrip"],
        "protocol_order": "random",
        "protocol_n_splits": 10,
        "protocol_held_out": 0.2,
        "protocol_validation": 0.1,
        "protocol_together": True,
    }


def test_splits__of_a_mixture_are_drawn_from_all_types_by_seed():
    protocol = PROTOCOLS["rancon2025-mixture"]
    types = np.repeat(["conspecific", "flatrip"], [20, 10])
    names = np.array([f"{n * 7 % 30:02d}" for n in range(30)])
    coords = {
        "stimulus": [f"{t}-{n}" for t, n in zip(types, names, strict=True)],
        "type": ("stimulus", types),
        "name": ("stimulus", names),
    }
    ds = xr.Dataset(coords=coords)
    splits = protocol.splits(ds)
    assert [[part.size for part in split] for split in splits] == [[21, 3, 6]] * 10
    for split in splits:
        assert sorted(np.concatenate(split)) == sorted(coords["stimulus"])
    ripples = [sum("flatrip" in label for label in split.test) for split in splits]
    assert len(set(ripples)) > 2  # not in proportion
    assert len({tuple(sorted(split.test)) for split in splits}) == 10
    shuffled = protocol.splits(ds.isel(stimulus=np.random.default_rng(0).permutation(30)))
    for one, other in zip(splits, shuffled, strict=True):
        for part, same in zip(one, other, strict=True):
            assert sorted(part) == sorted(same)


def test_splits__a_part_of_each_size():
    one = dataclasses.replace(PROTOCOLS["cv10"], held_out=0.3, validation=0.1)
    ds = xr.Dataset(
        coords={
            "stimulus": list("abcdefghij"),
            "type": ("stimulus", ["conspecific"] * 10),
            "name": ("stimulus", list("jihgfedcba")),
        }
    )
    assert [part.size for part in one.splits(ds)[0]] == [6, 1, 3]
    ordered = dataclasses.replace(one, order="sorted").splits(ds)[0]
    assert ["".join(part) for part in ordered] == ["jihgfe", "d", "cba"]


@pytest.mark.parametrize("part", [0, 1, -0.5])
def test_protocol__refuses_a_part_that_is_no_fraction(part):
    for name in ("held_out", "validation"):
        with pytest.raises(ValueError, match=f"{name} must be between 0 and 1; got {part}"):
            dataclasses.replace(PROTOCOLS["cv10"], **{name: part})
