"""Which trials were presented, and whether `n_trials` and `psth` are of the trials that are left.

`n_trials` and `psth` have no axis of trials, so a selection of trials by `isel`, `sel` or `where`
does not reach them. `aa1xr.take_trials` selects in all variables and writes down which trials
these are, in the attribute "trials" of `trial`, `n_trials` and `psth`. Without this attribute they
are of all trials.
"""

from __future__ import annotations

from typing import Any, NoReturn

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.delayed import delayed

from aa1xr import schema
from aa1xr.dataset.binning import presentations
from aa1xr.dataset.events import positions_in_store, store_of
from aa1xr.dataset.lazy import Spikes, Trials
from aa1xr.dataset.unchanged import is_selection_of
from aa1xr.typing import Bools, Ints

_WAY_ON = (
    "select trials with aa1xr.take_trials(ds, ...), which selects in all variables, or put the "
    "rates of these trials in the place of `psth`: ds.assign(psth=aa1xr.psth(ds))"
)


def presented(ds: xr.Dataset) -> xr.DataArray:
    """Find which trials were presented.

    Parameters
    ----------
    ds
        A Dataset with `n_trials` [shape: (neuron, stimulus)] and the coordinate `trial`, which
        keeps the trial numbers in every selection.

    Returns
    -------
    xarray.DataArray
        True for presented trials [shape: (neuron, stimulus, trial)]; lazy if `n_trials` is.
        `spikes` is NaN where it is False.

    Raises
    ------
    ValueError
        If the Dataset has no `n_trials` or no `trial`. When the result is computed: if `spikes`
        and `n_trials` contradict each other.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> heard = aa1xr.presented(ds)
    >>> int(heard.sel(neuron="sim0000_2_A", type="conspecific").sum())
    0
    """
    schema.require(ds, "n_trials")
    schema.validate(ds[["n_trials"]])
    if "trial" not in ds.coords:
        raise ValueError("the Dataset has no coordinate 'trial', the trial number")
    mask = mask_of(ds).rename("presented")
    mask.attrs = {"units": "1", "long_name": "whether there was such a trial"}
    return _guard(ds, mask, complete=False)


def mask_of(ds: xr.Dataset) -> xr.DataArray:
    """`presented`, of the metadata alone: `spikes` is not compared."""
    n_trials = ds["n_trials"]
    # Trials are numbered from 0, so those that were presented come first.
    rank = ds["trial"].copy(data=_ranks(ds).reshape(ds["trial"].shape))
    return (n_trials > rank).transpose(*n_trials.dims, ...)


def check_trials(ds: xr.Dataset, *names: str) -> None:
    """Refuse variables `names` of other trials than the Dataset has."""
    _check_marks(ds, *names)
    if _comparable(ds, *names):
        _contradictions(ds, complete=True).compute()


def checked_psth(ds: xr.Dataset) -> xr.DataArray:
    """`ds.psth`, checked to be of the trials of the Dataset, in part when it is computed."""
    psth = schema.validate(ds, "psth")["psth"]
    _check_marks(ds, "psth")
    if not _comparable(ds, "psth"):
        return psth
    return _guard(ds, psth.chunk() if psth.chunks is None else psth, complete=True)


def check_distinct(ds: xr.Dataset | xr.DataArray) -> None:
    """Refuse trials that were drawn with replacement: a trial is not independent of itself."""
    labels = _labels(ds) if "trial" in ds.coords else np.zeros(0, int)
    if (labels != np.round(labels)).any():
        raise ValueError(
            f"trial must be whole numbers; got {labels[labels != np.round(labels)][0]:g}, as after "
            "coarsen, which joins trials: take counts or means of `spikes` itself instead"
        )
    numbers, counts = np.unique(labels, return_counts=True)
    for number in numbers[counts > 1]:
        raise ValueError(
            f"trial {number} occurs {counts[numbers == number][0]} times: trials drawn with "
            "replacement are not independent, so noise would be underestimated. Select each trial "
            "once; for errors over trials use aa1xr.jackknife(..., over='trial')"
        )


def checked_spikes(ds: xr.Dataset) -> xr.DataArray:
    """`ds.spikes`, if it holds counts of single trials and no more of them than `n_trials` counts.

    ValueError if not, in part when it is computed: `fillna(0)` would make trials of missing ones.
    """
    spikes = schema.validate(ds, "spikes")["spikes"]
    schema.check_units("spikes", spikes)
    if "trial" not in spikes.dims and "trial" not in spikes.coords:
        raise ValueError(
            "'spikes' must have the dimension 'trial', or the coordinate that ds.isel(trial=0) "
            "leaves; it has neither, as after a sum or mean over trials. Give the Dataset with its "
            "trials"
        )
    check_distinct(ds)
    if "n_trials" not in ds.data_vars or "trial" not in ds.coords:
        return spikes
    # What nobody changed need not be compared.
    n_trials = ds["n_trials"].variable
    if is_selection_of(spikes.variable, Spikes) and is_selection_of(n_trials, Trials):
        return spikes
    return _guard(ds, spikes, complete=False, fewer=True)


def mark(labels: npt.ArrayLike) -> dict[str, str]:
    """The attribute of a variable that is of these trials."""
    return {schema.TRIALS: " ".join(str(int(label)) for label in np.sort(np.atleast_1d(labels)))}


def counted(ds: xr.Dataset) -> Ints | None:
    """The trials that `n_trials` counts, ascending; None for all of them."""
    marks = {
        str(ds[name].attrs[schema.TRIALS])
        for name in ("trial", "n_trials")
        if name in ds.variables and schema.TRIALS in ds[name].attrs
    }
    if len(marks) > 1:
        raise ValueError(
            f"'trial' and 'n_trials' are of other trials: {' and '.join(sorted(marks))}; " + _WAY_ON
        )
    return schema.trial_numbers(marks.pop()) if marks else None


def _labels(ds: xr.Dataset | xr.DataArray) -> Ints:
    return np.atleast_1d(ds["trial"].values)


def _ranks(ds: xr.Dataset) -> Ints:
    """The place of each trial among those that `n_trials` counts."""
    labels, numbers = _labels(ds), counted(ds)
    if numbers is None:
        return labels
    if (unknown := np.setdiff1d(labels, numbers)).size:
        raise ValueError(
            f"n_trials counts the trials {' '.join(map(str, numbers))}, and the Dataset has trial "
            f"{unknown[0]}; {_WAY_ON}"
        )
    return np.searchsorted(numbers, labels)


def _check_marks(ds: xr.Dataset, *names: str) -> None:
    """Compare what can be compared without computing anything."""
    if "trial" not in ds.coords:
        if "trial" in ds.dims:
            raise ValueError(
                "the Dataset has trials and no coordinate 'trial', which says which they are; "
                "assign it, or drop the trials: ds.drop_dims('trial')"
            )
        return
    check_distinct(ds)
    labels, numbers = np.sort(_labels(ds)), counted(ds)
    for name in names:
        if name not in ds.data_vars:
            continue
        of = numbers
        if name == "psth":
            text = ds[name].attrs.get(schema.TRIALS)
            if text is None and numbers is not None:
                _refuse(
                    "`psth` does not say of which trials it is (its attribute 'trials' is gone, "
                    "or it is of all trials)"
                )
            of = None if text is None else schema.trial_numbers(text)
        if of is not None and not np.array_equal(of, labels):
            _refuse(
                f"`{name}` is of the trials {' '.join(map(str, of))}, and the Dataset has "
                f"{' '.join(map(str, labels))}"
            )


def _comparable(ds: xr.Dataset, *names: str) -> bool:
    """Whether the Dataset has trials, and one of `names` may contradict them."""
    if "trial" not in ds.coords:
        return False
    # Where the rates say of which trials they are, `n_trials` of all trials is not asked for.
    says = "psth" in ds.data_vars and schema.TRIALS in ds["psth"].attrs
    if "n_trials" not in ds.data_vars:
        return not says
    return "n_trials" in names or not says or counted(ds) is not None


def _refuse(what: str) -> NoReturn:
    raise ValueError(f"{what}; {_WAY_ON}")


def _contradictions(ds: xr.Dataset, *, complete: bool, fewer: bool = False) -> Any:
    """A task that raises if `n_trials`, `trial` and `spikes` contradict each other.

    `complete` says that every presentation that `n_trials` counts must be among the trials left,
    `fewer` that `spikes` may have fewer: some were masked.
    """
    n_trials = ds["n_trials"] if "n_trials" in ds.data_vars else _n_trials_in_store(ds)
    ranks = _ranks(ds)
    straight = counted(ds) is None and is_selection_of(n_trials.variable, Trials)
    there, played = None, np.ones(1, bool)
    spikes = ds.get("spikes")
    if (
        spikes is not None
        and {"trial", "time"} <= {*spikes.dims, *spikes.coords}
        and spikes.sizes.get("time")
        and set(spikes.dims) <= set(schema.VARIABLES["spikes"].dims)
        and not (straight and is_selection_of(spikes.variable, Spikes))
    ):
        one, played = _one_bin(ds, spikes)
        there = _in_order(one.notnull(), "neuron", "stimulus", "trial").data
    # Pure, so that what is taken of one Dataset several times is computed once.
    return delayed(_compare, pure=True)(
        _in_order(n_trials, "neuron", "stimulus").data,
        ranks,
        there,
        played,
        complete=complete,
        fewer=fewer,
    )


def _one_bin(ds: xr.Dataset, spikes: xr.DataArray) -> tuple[xr.DataArray, Bools]:
    """A bin of the responses, and which stimuli play in it, so that it says what was presented."""
    time = np.atleast_1d(ds["time"].values)
    bin_ = int(np.argmin(np.where(time >= 0, time, np.inf) if (time >= 0).any() else -time))
    played = np.ones(1, bool)
    if "duration_s" in ds.coords:
        played = np.atleast_1d(ds["duration_s"].values > time[bin_])
    return (spikes.isel(time=bin_) if "time" in spikes.dims else spikes), played


def _in_order(array: xr.DataArray, *dims: str) -> xr.DataArray:
    """A plain array with these dimensions."""
    plain = xr.DataArray(array.variable)
    return plain.expand_dims([dim for dim in dims if dim not in plain.dims]).transpose(*dims)


def _compare(
    n_trials: npt.NDArray[Any],
    ranks: Ints,
    there: Bools | None,
    played: Bools,
    *,
    complete: bool,
    fewer: bool,
) -> bool:
    expected = np.nan_to_num(n_trials)[..., np.newaxis] > ranks
    if complete and (expected.sum(-1) < np.nan_to_num(n_trials)).any():
        _refuse("`psth` and `n_trials` are of more presentations than the Dataset has trials")
    if there is None:
        return True
    wrong = (there & ~expected) if fewer else (there != expected)
    if (wrong & played[:, np.newaxis]).any():
        _refuse(
            "`n_trials` and `spikes` contradict each other: `spikes` is NaN for some trials that "
            "`n_trials` counts, or the reverse"
        )
    return True


def _n_trials_in_store(ds: xr.Dataset) -> xr.DataArray:
    try:
        store = store_of(ds)
    except ValueError as error:
        raise ValueError(
            "the Dataset must have `n_trials`, which says whether `psth` is of the trials that it "
            "has; or drop the trials: ds.drop_dims('trial')"
        ) from error
    neurons, stimuli, _ = positions_in_store(ds, store)
    return xr.DataArray(presentations(store, neurons, stimuli), dims=("neuron", "stimulus"))


def _guard(
    ds: xr.Dataset, array: xr.DataArray, *, complete: bool, fewer: bool = False
) -> xr.DataArray:
    """The array, which raises when it is computed if the Dataset contradicts itself."""
    check = _contradictions(ds, complete=complete, fewer=fewer)
    if array.chunks is None:
        check.compute()
        return array
    right = da.from_delayed(check, (), bool)  # type: ignore[no-untyped-call]
    axes = tuple(range(array.ndim))
    data = da.blockwise(  # type: ignore[no-untyped-call]
        _second, axes, right, (), array.data, axes, dtype=array.dtype
    )
    return array.copy(data=data)


def _second(_: Any, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return block
