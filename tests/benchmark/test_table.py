import numpy as np
import xarray as xr

from aa1xr.benchmark import PUBLISHED, table


def result(cc_norm, **attrs):
    dims = ("split", "seed", "stimulus_type", "neuron")
    return xr.Dataset(
        dict.fromkeys(("cc_norm", "cc_norm_deepstrf", "cc_raw"), (dims, cc_norm)),
        {
            "area": ("neuron", ["MLd", "MLd", "Field_L"]),
            "stimulus_type": ["conspecific", "flatrip"],
        },
        {"model": "m", **attrs},
    )


def test_table__means_spread_and_counts():
    values = np.zeros((2, 1, 2, 3))
    values[:, 0, 0, :2] = [[0.5, 0.7], [0.8, np.nan]]
    lines = table([result(values)], published=False).splitlines()
    assert len(lines) == 2 + 4
    # Means over neurons of 60 and 80 %, over the one neuron that the second split leaves.
    assert lines[4].startswith("| m | MLd | conspecific | 70.0 ± 14.1 |")
    assert lines[4].endswith("| 1 of 2 |")
    assert lines[2].endswith("| 1 of 1 |")


def test_table__of_one_run_has_no_spread():
    lines = table([result(np.full((1, 1, 2, 3), 0.5))], published=False).splitlines()
    assert lines[2] == "| m | Field_L | conspecific | 50.0 | 50.0 | 50.0 | 1 of 1 |"


def test_table__published_rows():
    text = table([])
    assert text.count("published") == len(PUBLISHED) == 6
    assert "| StateNet GRU, published (other splits) | Field_L | conspecific | 71.0 |" in text
    assert text.count("label may be swapped") == 2
