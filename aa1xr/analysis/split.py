"""Split stimuli, neurons or trials into training, validation and test parts."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.arguments import shown

Labels = npt.NDArray[Any]


class Split(NamedTuple):
    """Labels of three disjoint parts: `ds.sel(stimulus=split.train)`."""

    train: Labels
    validation: Labels
    test: Labels


@overload
def split(
    ds: xr.Dataset | xr.DataArray,
    *,
    by: str = ...,
    test: float | None = ...,
    validation: float | None = ...,
    n_folds: None = ...,
    stratify: str | None = ...,
    seed: int = ...,
) -> Split: ...
@overload
def split(
    ds: xr.Dataset | xr.DataArray,
    *,
    by: str = ...,
    test: None = ...,
    validation: float | None = ...,
    n_folds: int,
    stratify: str | None = ...,
    seed: int = ...,
) -> list[Split]: ...
def split(
    ds: xr.Dataset | xr.DataArray,
    *,
    by: str = "stimulus",
    test: float | None = None,
    validation: float | None = None,
    n_folds: int | None = None,
    stratify: str | None = "auto",
    seed: int = 0,
) -> Split | list[Split]:
    """Split stimuli into training, validation and test parts, or into folds.

    Whole stimuli are held out. Bins of one response are correlated, and trials of one stimulus
    share its response, so a model could learn the test data from other bins or trials of the same
    stimulus.

    Labels are ordered by a hash of the seed and the label. So a split is the same on every machine,
    for every order of the Dataset, and almost the same after stimuli are added or removed.

    Parameters
    ----------
    ds
        The Dataset to split. Only labels are read.
    by
        The coordinate whose values are held out: "stimulus", "neuron", "trial", or a label such as
        "animal_id". All elements with the same value are in the same part.
    test, validation
        How much to hold out: a fraction below 1, or a number of at least 1. The default is 0.2 for
        each; for other coordinates than stimuli, the default of `validation` is 0.
    n_folds
        Instead of `test`: number of folds. Each label is in the test part of exactly one fold.
    stratify
        A label with equal proportions (to within one) in each part; None for none. "auto" is
        "type" for stimuli, "area" for neurons, and otherwise None.
    seed
        Seed of the split.

    Returns
    -------
    Split or list of Split
        Labels (train, validation, test) in the order of `ds`; a list of them with `n_folds`.

    Raises
    ------
    ValueError
        If a part other than `validation` would be empty, `by` or `stratify` is not a label of the
        same dimension, or the values of `stratify` differ within one value of `by`.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> train, validation, test = aa1xr.split(ds)
    >>> len(train), len(validation), len(test)
    (9, 3, 3)
    >>> ds.sel(stimulus=test).type.values.tolist()
    ['conspecific', 'conspecific', 'flatrip']
    >>> [fold.test.size for fold in aa1xr.split(ds, n_folds=4)]
    [4, 4, 4, 3]
    """
    if not isinstance(ds, xr.DataArray):
        schema.require(ds)
    arguments.check_integer("seed", seed, 0, arguments.LARGEST_SEED)
    auto = isinstance(stratify, str) and stratify == "auto"
    strata = _strata(ds, by, _stratum(ds, by) if auto else stratify)
    order = _draw(strata, seed)
    held_out = 0.2 if ds[by].dims == ("stimulus",) and len(order) > 2 else 0
    validation = held_out if validation is None else validation
    if n_folds is None:
        n_test = _number("test", 0.2 if test is None else test, order)
        return _part(strata, order, n_test, validation)
    if test is not None:
        raise ValueError("give either test or n_folds; each fold is the test part once")
    if not 2 <= arguments.check_integer("n_folds", n_folds, None) <= len(order):
        raise ValueError(
            f"n_folds={shown(n_folds)}; expected 2 to {len(order)}, the number of {shown(by)}"
        )
    folds = []
    for fold in np.array_split(np.arange(len(order)), n_folds):
        start = int(fold[0])
        turned = order[start:] + order[:start]
        folds.append(_part(strata, turned, fold.size, validation))
    return folds


def _stratum(ds: xr.Dataset | xr.DataArray, by: str) -> str | None:
    """The label that is stratified by default, or None."""
    if isinstance(by, str) and by in ds.coords and ds[by].dims == ("stimulus",):
        return "type"
    return "area" if by == "neuron" else None


def _strata(ds: xr.Dataset | xr.DataArray, by: str, stratify: str | None) -> dict[Any, Any]:
    """Each value of `by`, in order of appearance, and its stratum."""
    labels = [str(name) for name, coord in ds.coords.items() if coord.ndim == 1]
    if not isinstance(by, str) or by not in labels:
        raise ValueError(
            f"there is no label {shown(by)} to split by; there are {', '.join(labels)}"
        )
    if stratify is not None:
        along = [name for name in labels if ds[name].dims == ds[by].dims]
        if not isinstance(stratify, str) or stratify not in along:
            raise ValueError(
                f"there is no label {shown(stratify)} along {ds[by].dims[0]!r}; give "
                f"stratify=None or one of {', '.join(along)}"
            )
    values = ds[by].values.tolist()
    of = [None] * len(values) if stratify is None else ds[stratify].values.tolist()
    strata: dict[Any, Any] = {}
    for value, stratum in zip(values, of, strict=True):
        if strata.setdefault(value, stratum) != stratum:
            raise ValueError(
                f"{by}={value!r} has more than one {shown(stratify)}: {strata[value]!r}, "
                f"{stratum!r}; give stratify=None or another label"
            )
    return strata


def _draw(strata: dict[Any, Any], seed: int) -> list[Any]:
    """All values in an order of which every stretch has the strata in proportion, to one."""
    drawn: dict[Any, list[Any]] = {}
    for value in sorted(strata, key=lambda value: (_hash(seed, value), str(value))):
        drawn.setdefault(strata[value], []).append(value)
    place = {
        value: ((k + 0.5) / len(values), _hash(seed, value))
        for values in drawn.values()
        for k, value in enumerate(values)
    }
    return sorted(strata, key=lambda value: place[value])


def _hash(seed: int, value: Any) -> str:
    return hashlib.sha256(f"{seed}:{value}".encode()).hexdigest()


def _number(name: str, part: float, order: list[Any]) -> int:
    """How many labels a fraction or number is; at least one, unless it is zero."""
    arguments.number(name, part, "labels, or a fraction of them")
    if part < 0 or (part >= 1 and part != int(part)):
        raise ValueError(f"{name}={shown(part)}; expected a fraction below 1, or a whole number")
    if part >= 1 or part == 0:
        return int(part)
    return max(1, round(part * len(order)))


def _part(strata: dict[Any, Any], order: list[Any], n_test: int, validation: float) -> Split:
    """The first of `order` are the test part, the next ones validation, the rest training."""
    n_validation = _number("validation", validation, order)
    held_out = n_test + n_validation
    if n_test == 0 or held_out >= len(order):
        raise ValueError(
            f"{n_test} of {len(order)} labels for testing and {n_validation} for validation leave "
            "none for testing or none for training"
        )
    place = {value: k for k, value in enumerate(order)}
    values = np.array(list(strata))
    places = np.array([place[value] for value in strata])
    return Split(
        train=values[places >= held_out],
        validation=values[(places >= n_test) & (places < held_out)],
        test=values[places < n_test],
    )
