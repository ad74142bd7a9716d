"""Draw the pictures of README.md, of simulated neurons: `python docs/response.py`."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import aa1xr

STATIC = Path(__file__).parent / "_static"
mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "aa1xr"}
ds = aa1xr.open_sample(dt_ms=5, before_ms=200)


def save(figure: plt.Figure, name: str) -> None:
    """Write a picture that is the same each time."""
    figure.savefig(STATIC / name, metadata={"Date": None, "Creator": None}, dpi=150)


figure = plt.figure(figsize=(7, 5), layout="constrained")
ds.aa1.plot.response("sim0000_3_A", "conspecific-00", figure=figure)
save(figure, "response.svg")

figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
rate = aa1xr.open_sample(dt_ms=5).psth.sel(area="MLd", type="conspecific").mean("neuron")
rate.plot.imshow(ax=ax)  # unlike pcolormesh, it does not cut the first and last row
save(figure, "psth.svg")
