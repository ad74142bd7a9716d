"""Download, build and verify a store: the parts of `aa1xr.open`, each by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import zarr.abc.store

from aa1xr import arguments
from aa1xr.archive.contents import Contents, warn_if_incomplete
from aa1xr.store.locate import ensure_data, find_data_dir, find_store


class Verification(NamedTuple):
    """The report of `aa1xr.verify` on a store without damage; its text has a line for each part."""

    store: str  #: path or URL
    arrays: list[str]  #: those that were read and verified
    added: bool  #: whether cached spectrograms are among them; False: the storage lists no files
    contents: str  #: what the data are, if they are not all of AA1, or simulated
    statements: dict[str, str]  #: by kind, such as "missing": how the data differ from AA1

    def __str__(self) -> str:
        note = "; cached spectrograms were not checked, since this storage does not list them"
        lines = [f"{self.store}: {len(self.arrays)} arrays, all right{'' if self.added else note}"]
        lines += [f"It is {self.contents}."] if self.contents else []
        return "\n".join(lines + [f"{kind}: {text}" for kind, text in self.statements.items()])


def download(
    *,
    data_dir: str | os.PathLike[str] | None = None,
    username: str | None = None,
    password: str | None = None,
    accept_terms: bool = False,
) -> str:
    """Download the AA1 archive from CRCNS and build its store.

    If a verified archive or a complete store is in the data directory, nothing is downloaded.
    Interrupted downloads resume.

    Parameters
    ----------
    data_dir, username, password, accept_terms
        As in `aa1xr.open`.

    Returns
    -------
    str
        The path of the store.

    Raises
    ------
    DownloadError
        If the download fails; the message says what to do.

    Examples
    --------
    >>> aa1xr.download(accept_terms=True)  # doctest: +SKIP
    'aa1-....zarr'
    """
    arguments.flag("accept_terms", accept_terms)
    folder = find_data_dir(data_dir)
    ensure_data(folder, username=username, password=password, accept_terms=accept_terms)
    return find_store(data_dir=folder).url


def build(
    source: str | os.PathLike[str] | zarr.abc.store.Store | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    rebuild: bool = False,
) -> str:
    """Build the store of an archive, unless it is there.

    Parameters
    ----------
    source, data_dir, storage_options, rebuild
        As in `aa1xr.open`: an archive, or a store, which is only opened.

    Returns
    -------
    str
        The path or URL of the store.

    Raises
    ------
    DataNotFoundError
        If there is nothing at `source`.
    ArchiveError
        If the archive is damaged; the message says where.

    Warns
    -----
    IncompleteArchiveWarning
        If the archive lacks or alters a part of AA1.

    Examples
    --------
    >>> truth = aa1xr.simulate_archive(tmp / "cells.zip", n_neurons=2, n_songs=1, n_ripples=1)
    >>> store = aa1xr.build(tmp / "cells.zip", data_dir=tmp)
    >>> aa1xr.open(store).sizes["neuron"]
    2
    """
    arguments.flag("rebuild", rebuild)
    arguments.options("storage_options", storage_options)
    store = find_store(source, data_dir=data_dir, storage_options=storage_options, rebuild=rebuild)
    warn_if_incomplete(store.attrs)
    return store.url


def verify(
    source: str | os.PathLike[str] | zarr.abc.store.Store | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Verification:
    """Read all of a store, cached spectrograms included, and verify every checksum.

    Parameters
    ----------
    source, data_dir, storage_options
        As in `aa1xr.open`; an archive is built first.

    Returns
    -------
    Verification
        `store`, `arrays`, `added`, `contents` and `statements`; print it to read it.

    Raises
    ------
    StoreError
        If any part of the store is damaged, missing or in the wrong place.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> len(aa1xr.verify(ds.encoding["source"]).statements)
    0
    """
    arguments.options("storage_options", storage_options)
    store = find_store(source, data_dir=data_dir, storage_options=storage_options)
    arrays = store.check()
    contents = Contents.of_attrs(store.attrs)
    differs = contents.statements or contents.origin == "other"
    return Verification(
        store.url,
        arrays,
        store.added() is not None,
        contents.title if differs else "",
        contents.statements,
    )
