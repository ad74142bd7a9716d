"""Select trials in all variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import trial_checks
from aa1xr.analysis.psth import psth
from aa1xr.arguments import shown
from aa1xr.dataset.lazy import Psth, Spikes
from aa1xr.dataset.unchanged import select_from, source_of
from aa1xr.typing import Positions

Trials = Literal["odd", "even"] | int | slice | Sequence[int] | npt.NDArray[Any] | xr.DataArray


def take_trials(ds: xr.Dataset, trials: Trials) -> xr.Dataset:
    """Select trials in all variables.

    `ds.isel(trial=...)` selects in `spikes` only: `psth` and `n_trials` have no dimension `trial`,
    and remain those of all trials. This function selects in all variables.

    Parameters
    ----------
    ds
        A Dataset with `spikes` [shape: (neuron, stimulus, trial, time)]. Its `psth` must not be
        smoothed or changed: take trials first, then smooth.
    trials
        "odd" or "even", by trial number (the coordinate `trial`, which starts at 0); positions
        along `trial`: a number, a list of numbers or a slice; or booleans, one for each trial, such
        as `ds.trial < 5`.

    Returns
    -------
    xarray.Dataset
        `ds` with these trials: `psth` is their mean rate, and `n_trials` is their number. `trial`
        keeps the trial numbers. Lazy if `ds` is. Other coordinates, such as those of
        `aa1xr.with_quality`, are not changed.

    Raises
    ------
    ValueError
        If there is no such trial, or no trial or the same trial twice is selected, or `psth` and
        `n_trials` do not match the trials of `ds`. When `psth` is computed: if it was changed
        before.

    See Also
    --------
    aa1xr.trial_halves : random halves.
    aa1xr.psth : the mean rate over the trials of any selection.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> odd, even = aa1xr.take_trials(ds, "odd"), aa1xr.take_trials(ds, "even")
    >>> odd.trial.values.tolist(), int(odd.n_trials.max())
    ([1, 3, 5, 7, 9, 11, 13], 7)
    >>> bool((xr.corr(odd.psth, even.psth, ["stimulus", "time"]) < 0.99).all())
    True
    """
    schema.validate(ds, "spikes")
    if "trial" not in ds.dims or "trial" not in ds.coords:
        raise ValueError(
            "the Dataset must have an axis 'trial' with its coordinate, the trial number; "
            "select with a list or slice to keep it"
        )
    trial_checks.check_trials(ds, *({"psth", "n_trials"} & set(ds.data_vars)))
    positions = _positions(ds["trial"], trials)
    taken = ds.isel(trial=positions)
    mark = trial_checks.mark(taken["trial"].values)
    if "n_trials" in ds.data_vars:
        n_trials = ds["n_trials"]
        count = trial_checks.mask_of(taken).sum("trial").astype(n_trials.dtype)
        # Masking with .where leaves NaN where there are no neurons.
        count = count.where(n_trials.notnull()) if n_trials.dtype.kind == "f" else count
        taken["n_trials"] = count.transpose(*n_trials.dims).assign_attrs(n_trials.attrs | mark)
    if "psth" in ds.data_vars:
        rate = _from_events(ds, positions)
        if rate is None:
            rate = _from_spikes(ds, positions).transpose(*ds["psth"].dims).variable
        rate.attrs = ds["psth"].attrs | psth(taken[["spikes"]]).attrs
        taken["psth"] = ds["psth"].coords.to_dataset().assign(psth=rate)["psth"]
    trial = taken["trial"].variable
    taken = taken.assign_coords(trial=("trial", trial.values, trial.attrs | mark))
    return taken[list(ds.data_vars)].assign_coords(taken.coords)


def trial_halves(ds: xr.Dataset, *, n: int = 1, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    """Split the trials at random into two halves, `n` times.

    Each half contains one of every two successive trials. So each half has half of the trials of
    each pair of neuron and stimulus (to within one), whatever their number, and slow changes over a
    recording affect both halves alike.

    Parameters
    ----------
    ds
        A Dataset with the coordinate `trial`.
    n
        Number of random splits.
    seed
        Seed of the random splits. Results are the same on every machine.

    Returns
    -------
    list of (list of int, list of int)
        Positions along `trial` for `aa1xr.take_trials`.

    Raises
    ------
    ValueError
        If there are fewer than two trials, or one occurs twice.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> for first, second in aa1xr.trial_halves(ds, n=2):
    ...     one, other = aa1xr.take_trials(ds, first), aa1xr.take_trials(ds, second)
    >>> sorted(first + second) == list(range(15)), int(abs(one.n_trials - other.n_trials).max())
    (True, 1)
    """
    schema.require(ds)
    arguments.check_integer("n", n, 1, 100_000, "all divisions are held in memory")
    arguments.check_integer("seed", seed, 0, arguments.LARGEST_SEED)
    if "trial" not in ds.dims or ds.sizes["trial"] < 2:
        raise ValueError("the Dataset must have at least two trials to be divided into halves")
    trial_checks.check_distinct(ds)
    order = np.argsort(schema.values_along(ds, "trial"), kind="stable")
    rng = np.random.default_rng(seed)
    halves = []
    for _ in range(n):
        second = rng.integers(0, 2, -(-order.size // 2)).repeat(2)[: order.size].astype(bool)
        second ^= np.arange(order.size) % 2 == 1
        halves.append((np.sort(order[~second]).tolist(), np.sort(order[second]).tolist()))
    return halves


def _positions(trial: xr.DataArray, trials: Any) -> Positions:
    """Positions along `trial`, each once."""
    size = trial.size
    if isinstance(trials, str):
        arguments.choice("trials", trials, ("odd", "even"))
        positions = np.flatnonzero(trial.values % 2 == (trials == "odd"))
    elif isinstance(trials, slice):
        positions = np.arange(size)[trials]
    else:
        positions = _listed(trial, trials)
    outside = (positions < -size) | (positions >= size)
    if outside.any():
        raise ValueError(
            f"trials={shown(trials)}: there is no trial at position {positions[outside][0]} "
            f"of {size}"
        )
    positions = np.where(positions < 0, positions + size, positions)
    if positions.size == 0:
        raise ValueError(f"trials={shown(trials)} must take at least one of the {size} trials")
    if np.unique(positions).size < positions.size:
        raise ValueError(f"trials={shown(trials)} must take each trial once")
    return positions


def _listed(trial: xr.DataArray, trials: Any) -> Positions:
    """Positions from a number, a list of numbers or a mask."""
    mask = isinstance(trials, xr.DataArray) and trials.dtype.kind == "b"
    if mask and (trials.dims != ("trial",) or not trials.coords["trial"].equals(trial)):
        raise ValueError("a mask must be along 'trial', with the trials of the Dataset")
    fits = not isinstance(trials, bool)
    if isinstance(trials, list | tuple | range):
        trials = arguments.listed("trials", trials, max(1000, trial.size))
        fits = all(isinstance(each, int | np.integer | np.bool_) for each in trials)
    # What does not fit may be no array at all, such as lists of several lengths.
    found = np.atleast_1d(np.asarray(trials)) if fits else np.zeros(0)
    too_large = found.dtype.kind == "u" and found.max(initial=0) >= 2**63
    if found.ndim != 1 or found.dtype.kind not in "iub" or too_large:
        raise ValueError(
            f"trials={shown(trials)} must be 'odd', 'even', positions, a slice or booleans "
            "along 'trial'"
        )
    if found.dtype.kind != "b":
        return found.astype(np.intp)
    if found.size != trial.size:
        raise ValueError(f"trials must be {trial.size} booleans, one for each; got {found.size}")
    return np.flatnonzero(found)


def _from_events(ds: xr.Dataset, positions: Positions) -> xr.Variable | None:
    """The PSTH of some trials straight from the store, if nothing in `ds` was changed."""
    spikes, old = ds["spikes"].variable, ds["psth"].variable
    dims = [schema.VARIABLES[name].dims for name in ("spikes", "psth")]
    if [spikes.dims, old.dims] != dims:
        return None
    counts, rates = source_of(spikes, Spikes), source_of(old, Psth)
    if counts is None or rates is None:
        return None
    (from_spikes, (*places, trials, time)), (from_psth, of_psth) = counts, rates
    same = all(map(np.array_equal, (*places, time), of_psth))
    taken = trials[positions]
    if (
        not same
        or np.unique(trials).size < trials.size
        or from_spikes.store.url != from_psth.store.url
        or from_psth.trials not in (None, tuple(np.sort(trials).tolist()))
        or (from_psth.trials is None and trials.size < from_spikes.shape[2])
    ):
        return None
    new = replace(from_psth, trials=tuple(np.sort(taken).tolist()))
    return select_from(new, of_psth, old)


def _from_spikes(ds: xr.Dataset, positions: Positions) -> xr.DataArray:
    """The PSTH of some trials, if `ds.psth` is that of all: see `_mean`."""
    spikes = ds["spikes"]
    old = ds["psth"]
    lazy = spikes.chunks is not None or old.chunks is not None
    core = [[dim for dim in dims if dim == "trial"] for dims in (spikes.dims, old.dims)]
    rate: xr.DataArray = xr.apply_ufunc(
        _mean,
        spikes.chunk(trial=-1) if lazy else spikes,
        old,
        kwargs={"positions": positions, "dt": schema.bin_width_ms(ds) / 1000},
        input_core_dims=core,
        join="exact",
        dask="parallelized",
        output_dtypes=[old.dtype],
    )
    return rate


def _mean(
    spikes: npt.NDArray[Any], old: npt.NDArray[Any], *, positions: Positions, dt: float
) -> npt.NDArray[Any]:
    """Mean rate over trials at `positions`. [shape: (..., trial) and (...) -> (...)].

    A smooth `psth` would lose its smoothing here without a word.
    """
    if not np.allclose(_rate(spikes, dt), old, rtol=1e-3, atol=1e-3 / dt, equal_nan=True):
        raise ValueError(
            "`psth` is not the mean rate of `spikes`: one of the two was changed. Take trials "
            "first, then change them; or drop it: take_trials(ds.drop_vars('psth'), ...)"
        )
    return np.asarray(_rate(spikes[..., positions], dt), old.dtype)


def _rate(spikes: npt.NDArray[Any], dt: float) -> npt.NDArray[Any]:
    """As xarray's mean, which skips NaN."""
    rate = xr.Variable([f"d{k}" for k in range(spikes.ndim)], spikes).mean(f"d{spikes.ndim - 1}")
    return np.asarray(rate / dt)
