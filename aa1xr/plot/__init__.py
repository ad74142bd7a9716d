"""Plots of the data, also available as `ds.aa1.plot`. Needs matplotlib, the extra `plot`.

Each function draws into the axes `ax` and returns them. Without `ax`, it creates a pyplot figure,
which a notebook shows and `plt.show()` opens.

>>> ds = aa1xr.open_sample()
>>> sound, raster, rate = aa1xr.plot.response(ds, "sim0000_1_B", "conspecific-00")
>>> rate.figure.savefig(tmp / "response.png")
"""

from aa1xr.plot.modulations import modulation_spectrum
from aa1xr.plot.overviews import coverage, quality
from aa1xr.plot.responses import psth, raster, response, spectrogram
from aa1xr.plot.strfs import strf

__all__ = [
    "coverage",
    "modulation_spectrum",
    "psth",
    "quality",
    "raster",
    "response",
    "spectrogram",
    "strf",
]
