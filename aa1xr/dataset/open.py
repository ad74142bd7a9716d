"""`aa1xr.open`: open an archive or a store as a Dataset."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr.abc.store

from aa1xr import arguments
from aa1xr.archive.contents import warn_if_incomplete
from aa1xr.dataset.engine import AA1Backend
from aa1xr.store import locate

#: Blocks of one variable; AA1 has some ten.
_MOST_BLOCKS = 100_000

#: As in `xarray.open_dataset`.
Chunks = int | dict[Any, Any] | Literal["auto"] | None


def open(  # noqa: A001 - as in xarray and zarr, it reads aa1xr.open
    source: str | os.PathLike[str] | zarr.abc.store.Store | None = None,
    *,
    dt_ms: float = 5,
    before_ms: float = 0,
    after_ms: float = 0,
    n_mels: int = 32,
    window_ms: float = 10.0,
    fmin: float = 0,
    fmax: float | None = None,
    compression: str = "cubic",
    frames: str = "centred",
    chunks: Chunks = {},  # noqa: B006 - read only; xarray's own way
    data_dir: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    rebuild: bool = False,
    download: bool = False,
    username: str | None = None,
    password: str | None = None,
    accept_terms: bool = False,
) -> xr.Dataset:
    """Open the AA1 recordings as one lazy, labelled Dataset.

    The first call parses the archive and builds a store in the data directory. Later calls read the
    labels only. Variables are computed on demand.

    Parameters
    ----------
    source
        The CRCNS zip, an extracted folder, or a store (a path, any fsspec URL, or a
        `zarr.abc.store.Store` such as Icechunk's). None means the data directory.
    dt_ms
        Bin width in ms; a whole number of audio samples (a multiple of 1/32 ms).
    before_ms, after_ms
        Extend the window of each stimulus, rounded up to whole bins. By default the window starts
        at stimulus onset and ends with the bin that holds the last sample. AA1 was recorded from 2
        s before each onset to 4 s after it; bins that are not entirely within this time are NaN.
    n_mels, window_ms, fmin, fmax
        The spectrogram: number of mel bands, length of the Hann window in ms, and range in Hz
        (`fmax=None`: half the sample rate). The power of a bin is the mean over frames of
        `window_ms`, which start at most half a window apart.
    compression
        Function of the power: "cubic" (cube root), "log1p", "none", or "db" (level relative to a
        full-scale sine, at least -80 dB).
    frames
        "centred": frames are centred on the left edge of their part of a bin, as in deepSTRF.
        "causal": frames end with their part of a bin, so no bin contains sound after its end.
        The attributes `frame_start_ms` and `frame_stop_ms` of `spectrogram` say what the frames of
        a bin cover, relative to its left edge.
    chunks
        As in `xarray.open_dataset`: {} for dask arrays in blocks of neurons, None for xarray's
        own lazy arrays without dask.
    data_dir
        Folder for stores. The default is $AA1XR_DATA_DIR if it is set, otherwise the user's cache
        directory.
    storage_options
        For a URL: passed to fsspec.
    rebuild
        Build the store again from the archive, in place of one that may be damaged. Concurrent
        readers are not interrupted.
    download
        First download the archive from CRCNS to the data directory, unless the archive or its store
        is there already. In that case the network is not used.
    username, password
        The CRCNS account for the download. The default is $CRCNS_USERNAME and $CRCNS_PASSWORD, then
        the entry for crcns.org in ~/.netrc, then a prompt on the terminal. aa1xr sends them to
        CRCNS only and does not store them.
    accept_terms
        Accept the terms of CRCNS. Otherwise the terminal shows them before the first download.

    Returns
    -------
    xarray.Dataset
        `spikes` (neuron, stimulus, trial, time), `psth` (neuron, stimulus, time) in spikes/s,
        `spectrogram` (stimulus, freq, time) and `n_trials` (neuron, stimulus), with labels for
        `.sel`: area, animal_id, cell_seq, rig; name, type, sample_rate, n_samples, duration_s.

    Raises
    ------
    DataNotFoundError
        If there is nothing at `source`.
    DownloadError
        If the download fails; the message says what to do.
    ArchiveError, StoreError
        If the archive or store is damaged; the message names the place.
    OSError
        If the store cannot be read, or written to the data directory; the message names the place.
    ValueError
        If an argument is out of range.

    Warns
    -----
    IncompleteArchiveWarning
        If the archive lacks or alters a part of AA1; `ds.attrs` lists the differences.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5)
    >>> ds.psth.sel(area="MLd", type="conspecific").mean("neuron").dims
    ('stimulus', 'time')
    """
    arguments.flag("rebuild", rebuild)
    arguments.flag("download", download)
    arguments.flag("accept_terms", accept_terms)
    arguments.options("storage_options", storage_options)
    if download:
        if source is not None:
            raise ValueError(
                f"source={str(source)!r} and download=True; a download goes into the data "
                "directory, so leave out one of them (and choose the place with data_dir=)"
            )
        folder = locate.find_data_dir(data_dir)
        locate.ensure_data(folder, username=username, password=password, accept_terms=accept_terms)
    store: Any = locate.find_store(
        source, data_dir=data_dir, storage_options=storage_options, rebuild=rebuild
    )
    warn_if_incomplete(store.attrs)
    ds = xr.open_dataset(
        store,  # xarray hands it to the engine, whatever it is
        engine=AA1Backend,  # by its name, xarray would look through all installed packages
        chunks=None,
        cache=chunks is None,
        dt_ms=dt_ms,
        before_ms=before_ms,
        after_ms=after_ms,
        n_mels=n_mels,
        window_ms=window_ms,
        fmin=fmin,
        fmax=fmax,
        compression=compression,
        frames=frames,
    )
    # xarray would make dask arrays of all coordinates without an index, and then refuse them in
    # `query`, `groupby` and `where(drop=True)`. So the coordinates are loaded, and the variables
    # are divided into blocks here.
    for coord in ds.coords:
        ds.variables[coord].load()
    if chunks is not None:
        divide(ds, chunks)
    return ds


def divide(ds: xr.Dataset, chunks: int | dict[Any, Any] | Literal["auto"]) -> None:
    """Make dask arrays of the variables of a new Dataset, in place."""
    _check_chunks(ds, chunks)
    for array in ds.data_vars.values():
        variable = array.variable
        wanted: dict[Any, Any] = dict.fromkeys(variable.dims, chunks)
        if isinstance(chunks, Mapping):
            preferred = variable.encoding.get("preferred_chunks", {})
            wanted = {dim: chunks.get(dim, preferred.get(dim, -1)) for dim in variable.dims}
        _check_blocks(str(array.name), variable, wanted)
        variable.data = variable.chunk(wanted).data


def _check_chunks(ds: xr.Dataset, chunks: Any) -> None:
    """Refuse what dask would refuse in its own words, or take for something else."""
    by_dim = chunks if isinstance(chunks, Mapping) else {None: chunks}
    if isinstance(chunks, Mapping) and (unknown := [dim for dim in chunks if dim not in ds.dims]):
        raise ValueError(
            f"chunks must name dimensions of {sorted(map(str, ds.dims))}; got "
            f"{arguments.shown(unknown[0])}"
        )
    for dim, size in by_dim.items():
        sizes = size if dim is not None and isinstance(size, tuple | list) and size else [size]
        for one in sizes:
            if (isinstance(one, str) and one == "auto") or (one is None and dim is not None):
                continue
            if not arguments.is_integer(one) or one < -1 or one == 0 or one >= 2**63:
                raise ValueError(
                    "chunks must be a number of positions, 'auto', or these by dimension, such as "
                    f"{{'neuron': 10}}; None is for no dask; got {arguments.shown(chunks)}"
                )


def _check_blocks(name: str, variable: xr.Variable, wanted: Mapping[Any, Any]) -> None:
    """Refuse more blocks than a graph can have: each takes about a kB and a ms."""
    sizes = [(variable.sizes[dim], wanted[dim]) for dim in variable.dims]
    n_blocks = math.prod(
        -(-size // int(each)) if isinstance(each, int | np.integer) and each > 0 else 1
        for size, each in sizes
    )
    if n_blocks > _MOST_BLOCKS:
        raise ValueError(
            f"chunks would divide {name!r} into {n_blocks} blocks; expected at most "
            f"{_MOST_BLOCKS}: name a dimension, such as chunks={{'neuron': 10}}"
        )
