import numpy as np

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
