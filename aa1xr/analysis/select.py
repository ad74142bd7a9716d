"""Selections beyond labels: neurons with data, and simultaneously recorded pairs."""

from __future__ import annotations

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.trial_checks import presented


def drop_missing(ds: xr.Dataset) -> xr.Dataset:
    """Remove neurons and stimuli without data.

    In a selection such as `ds.sel(type="conspecific")`, some neurons were not presented any of the
    stimuli, and some stimuli were not presented to any of the neurons. Their responses are NaN
    throughout. If trials were selected, only these trials count as data.

    Parameters
    ----------
    ds
        A Dataset with `n_trials` [shape: (neuron, stimulus)], which is read. `spikes` is read only
        if it was changed.

    Returns
    -------
    xarray.Dataset
        The Dataset without them. Each remaining neuron has data for at least one remaining
        stimulus, and the reverse; it may lack data for others.

    Raises
    ------
    ValueError
        If nothing is left, the Dataset has no `n_trials`, or `spikes` has other trials than
        `n_trials` counts.

    Examples
    --------
    >>> songs = aa1xr.open_sample().sel(type="conspecific")
    >>> songs.sizes["neuron"], aa1xr.drop_missing(songs).sizes["neuron"]
    (12, 11)
    """
    schema.validate(ds, "n_trials")
    if "trial" in ds.coords:
        mask = presented(ds)
        heard = mask.any("trial") if "trial" in mask.dims else mask
    else:
        heard = ds["n_trials"] > 0
    heard = heard.compute()
    if not heard.any():
        raise ValueError("nothing is left: none of these neurons was presented any of these sounds")
    # Once is enough: a neuron that goes had data for no stimulus, so it keeps none in.
    keep = {dim: heard.any([d for d in heard.dims if d != dim]).values for dim in heard.dims}
    return ds.isel({dim: np.flatnonzero(kept) for dim, kept in keep.items() if not kept.all()})


def simultaneous(ds: xr.Dataset) -> xr.Dataset:
    """Find the pairs of simultaneously recorded neurons: same animal and site, on rigs A and B.

    The result is a table of neurons. Select both sides of the pairs with it:
    `ds.spikes.sel(neuron=pairs.A)` and `ds.spikes.sel(neuron=pairs.B)` share the dimension `pair`,
    so arithmetic and `xarray.corr` work pair by pair. To select the paired neurons themselves, use
    `ds.sel(neuron=pairs.to_dataarray().values.ravel())`.

    Parameters
    ----------
    ds
        A Dataset with `neuron` and its labels `animal_id`, `cell_seq` and `rig`.

    Returns
    -------
    xarray.Dataset
        `A` and `B`: the neurons on each rig, with the coordinates `animal_id` and `cell_seq`
        [shape: (pair,)]. The length is zero if there are no pairs.

    Raises
    ------
    ValueError
        If `ds` has no dimension `neuron`, or lacks one of these labels, or two neurons share all
        three, as in two Datasets of the same neurons that were combined.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> pairs = aa1xr.simultaneous(ds)
    >>> pairs.A.values.tolist()[:2], pairs.B.values.tolist()[:2]
    (['sim0000_1_A', 'sim0000_2_A'], ['sim0000_1_B', 'sim0000_2_B'])
    >>> noise = (ds.spikes - ds.spikes.mean("trial")).sel(type="flatrip")
    >>> a, b = noise.sel(neuron=pairs.A), noise.sel(neuron=pairs.B)
    >>> xr.corr(a, b, ["trial", "time"]).dims
    ('pair', 'stimulus')
    """
    schema.require(ds)
    names = ("neuron", "animal_id", "cell_seq", "rig")
    for name in names:
        if name not in ds.coords or ds[name].dims != ("neuron",):
            raise ValueError(
                f"the Dataset has no coordinate {name!r} along 'neuron': select with a list or "
                "slice to keep it"
            )
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for neuron, animal, seq, rig in zip(*(ds[name].values for name in names), strict=True):
        rigs = cells.setdefault((animal, int(seq)), {})
        if rig in rigs:
            raise ValueError(
                f"{rigs[rig]} and {neuron} have the same animal, cell_seq and rig; call "
                "aa1xr.simultaneous for each of the Datasets that were combined"
            )
        rigs[rig] = neuron
    pairs = {key: rigs for key, rigs in sorted(cells.items()) if {"A", "B"} <= rigs.keys()}

    def along_pair(values: list[str] | list[int], like: str) -> xr.Variable:
        return xr.Variable("pair", values, ds[like].attrs).astype(ds[like].dtype)

    return xr.Dataset(
        {rig: along_pair([rigs[rig] for rigs in pairs.values()], "neuron") for rig in "AB"},
        {
            "animal_id": along_pair([animal for animal, _ in pairs], "animal_id"),
            "cell_seq": along_pair([seq for _, seq in pairs], "cell_seq"),
        },
    )
