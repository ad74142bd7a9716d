"""Draw the picture of README.md, the response of a simulated neuron: `python docs/response.py`."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import aa1xr

mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "aa1xr"}
figure = plt.figure(figsize=(7, 5), layout="constrained")
ds = aa1xr.open_sample(dt_ms=5, before_ms=200)
ds.aa1.plot.response("sim0000_3_A", "conspecific-00", figure=figure)
picture = Path(__file__).parent / "_static" / "response.svg"
figure.savefig(picture, metadata={"Date": None, "Creator": None})
