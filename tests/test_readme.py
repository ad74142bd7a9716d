"""The code in the README runs as it stands, on the sample."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import aa1xr

README = Path(__file__).resolve().parents[1] / "README.md"

#: What the README says of the real archive, and what of that the sample has.
SAMPLE = {
    '"gg0304", "yg0331"': '"sim0000", "sim0001"',
    'aa1xr.open("crcns-aa1.zip", dt_ms=5)': "aa1xr.open_sample(dt_ms=5)",
    '"crcns-aa1.zip"': "sample_archive",
    '"scheduler:8786"': 'processes=False, dashboard_address=":0"',
    '{"endpoint_url": "https://..."}': "bucket.options",
    "s3://bucket/": "s3://aa1xr-tests/",
}


def blocks():
    code = README.read_text(encoding="utf-8")
    for real, sample in SAMPLE.items():
        code = code.replace(real, sample)
    return re.findall(r"```python\n(.*?)```", code, flags=re.DOTALL)


@pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")  # some sample cells are silent
def test_readme__code_runs(sample_archive, bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opening, *others = sorted(blocks(), key=lambda block: "aa1xr.open()" not in block)
    assert "aa1xr.open()" in opening  # needs the archive, and is tested elsewhere
    ds = aa1xr.open_sample()
    names = {"ds": ds, "depths": np.arange(0, 1200, 100), "prediction": ds.psth, "xr": xr}
    names |= {"sample_archive": sample_archive, "bucket": bucket}
    for block in others:
        for statement in re.split(r"\n(?=\S)", block.strip()):
            if "# KeyError: " in statement:
                message = statement.partition("# KeyError: ")[2].strip()
                with pytest.raises(KeyError, match=re.escape(message)):
                    exec(statement, names)
            else:
                exec(statement, names)
    assert names["rate"].sizes["neuron"] == 11
    names["client"].close()
    plt.close("all")
