"""Plots of the data, also available as `ds.aa1.plot`. Needs matplotlib, the extra `plot`.

Each function draws into the axes `ax` and returns them. `response` and `strfs` have several panels:
they draw into `figure` and return its axes. Without `ax` or `figure`, a function creates a pyplot
figure, which a notebook shows and `plt.show()` opens. `style` sets the sizes for a paper or a talk.

>>> ds = aa1xr.open_sample()
>>> sound, raster, rate = aa1xr.plot.response(ds, "sim0000_1_B", "conspecific-00")
>>> rate.figure.savefig(tmp / "response.png")
"""

from aa1xr.plot.comparisons import compare
from aa1xr.plot.modulations import modulation_spectrum
from aa1xr.plot.overviews import coverage, quality
from aa1xr.plot.responses import population, psth, raster, response, spectrogram
from aa1xr.plot.strfs import strf, strfs
from aa1xr.plot.styles import style

__all__ = [
    "compare",
    "coverage",
    "modulation_spectrum",
    "population",
    "psth",
    "quality",
    "raster",
    "response",
    "spectrogram",
    "strf",
    "strfs",
    "style",
]
