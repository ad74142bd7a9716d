"""Sizes of text, lines and figures for a paper or a talk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from aa1xr import arguments
from aa1xr.optional import import_optional

#: Text, where matplotlib's own sizes are relative to `font.size`: "x-small" is 0.69 of it.
_SHARED: dict[Any, Any] = {
    "axes.titlesize": "medium",
    "axes.labelsize": "medium",
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "legend.fontsize": "small",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 300,
    # Letters stay letters, which an editor can change.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
}
_STYLES: dict[str, dict[Any, Any]] = {
    "paper": {
        "figure.figsize": (85 / 25.4, 60 / 25.4),
        "font.size": 7.5,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.0,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
    },
    "talk": {
        "figure.figsize": (10.0, 6.2),
        "font.size": 18,
        "axes.linewidth": 1.2,
        "lines.linewidth": 2.0,
        "xtick.major.width": 1.2,
        "ytick.major.width": 1.2,
    },
}


@contextmanager
def style(kind: Literal["paper", "talk"] = "paper") -> Iterator[None]:
    """Draw figures for a column of a paper, or for the slides of a talk.

    A context: what is drawn and saved in it has these sizes, and nothing changes afterwards.

    Parameters
    ----------
    kind
        "paper": a column of 85 mm, with text of 5 to 7.5 points and 300 dots per inch in pixel
        formats. "talk": 10 inches wide, with text of 12 points or more. Text in PDF and SVG
        files remains text.

    Raises
    ------
    ValueError
        If there is no such kind.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> with aa1xr.plot.style("paper"):
    ...     ax = aa1xr.plot.psth(ds, "sim0000_1_B", "conspecific-00")
    ...     ax.figure.savefig(tmp / "psth.pdf")
    >>> round(25.4 * ax.figure.get_figwidth())  # mm
    85
    """
    arguments.choice("kind", kind, tuple(_STYLES))
    mpl = import_optional("matplotlib", extra="plot")
    with mpl.rc_context(_SHARED | _STYLES[kind]):
        yield
