"""Start the explorer for a Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from aa1xr import arguments, schema
from aa1xr.optional import import_optional

if TYPE_CHECKING:
    from aa1xr.explorer.server import Explorer


def explore(ds: xr.Dataset, *, port: int = 0) -> Explorer:
    """Explore responses and stimuli on a page in the browser.

    The page has tables of the neurons and the stimuli of `ds`. For up to four neurons and one
    stimulus, it shows spectrogram, waveform, raster, PSTH and the population on one time axis, and
    plays the stimulus and the spikes. Bin width, smoothing, window and trials are chosen on the
    page, so those of `ds` do not matter.

    Needs Panel and Bokeh, the extra `explore`. The page loads nothing from other servers.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of neurons and stimuli of one.
    port
        Port of the server; 0 chooses a free one.

    Returns
    -------
    Explorer
        A notebook shows the page, if the Explorer is the last line of a cell. `.url` is the address
        of the page, and `.stop()` ends the server, as does the end of the process. `.wait()`
        returns when the server has ended, for scripts.

        The server listens on 127.0.0.1 only, so the browser must run on the same machine. The
        address contains a random token, without which the server serves nothing.

    Raises
    ------
    ModuleNotFoundError
        If Panel is not installed.
    OSError
        If the port is in use.
    ValueError
        If a dimension `neuron` or `stimulus` is missing or empty, or if a Dataset no longer refers
        to its store.

    Examples
    --------
    >>> explorer = aa1xr.explore(aa1xr.open_sample())
    >>> explorer.url.startswith("http://localhost:")
    True
    >>> explorer.stop()
    """
    return start(ds, port=port)


def start(ds: xr.Dataset, *, port: int = 0, source: str | None = None) -> Explorer:
    """As `explore`; `source` is what the lines of Python on the page open."""
    schema.require(ds)
    for dim in ("neuron", "stimulus"):
        if dim not in ds.dims or dim not in ds.coords or not ds.sizes[dim]:
            raise ValueError(
                f"ds must have at least one {dim}, along the dimension {dim!r}; select with a list "
                f"to keep the dimension: ds.sel({dim}=[...])"
            )
        names = ds[dim].values.tolist()
        if len(set(names)) < len(names):
            raise ValueError(f"each {dim} must occur once; got {len(names)} with names in common")
    arguments.check_integer("port", port, 0, 65535, "no other ports exist")
    import_optional("panel", extra="explore")
    import_optional("bokeh", extra="explore")
    from aa1xr.explorer.server import Explorer

    return Explorer(ds, port=int(port), source=source)
