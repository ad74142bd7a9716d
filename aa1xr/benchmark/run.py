"""Run a model under a protocol, in units that can be resumed and distributed."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.scores import score_by
from aa1xr.analysis.sel import sel
from aa1xr.analysis.split import Split
from aa1xr.benchmark.causality import PROBES, is_causal, with_probes
from aa1xr.benchmark.external import Entrant, find_model
from aa1xr.benchmark.identity import data_digest, splits_digest
from aa1xr.benchmark.protocols import PROTOCOLS, Protocol
from aa1xr.benchmark.results_folder import (
    Unit,
    checkpoint_of,
    load_unit,
    open_folder,
    save_unit,
    unfinished,
)
from aa1xr.cluster import open_client, own_threads
from aa1xr.errors import UndefinedWarning
from aa1xr.messages import count_names, warn
from aa1xr.printable import printable
from aa1xr.store.location import resolve_path
from aa1xr.version import VERSION

#: The dimension of classes of stimuli in a result.
TYPE = "stimulus_type"
_DIMS = ("split", "seed", TYPE, "neuron")
#: What a result has, of the measures of `aa1xr.score`.
SCORES = ("cc_norm", "cc_norm_deepstrf", "cc_raw")


#: Of NumPy's and torch's generators; ensembles have several for each of ours.
_LARGEST_SEED = 2**32 - 1


def run(
    ds: xr.Dataset,
    protocol: Protocol | str,
    model: Any = "ridge",
    *,
    areas: Iterable[str] | None = None,
    seeds: Iterable[int] = (0,),
    splits: Iterable[int] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """Fit and score a model on every split of a protocol.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open(source, **protocol.options)`.
    protocol
        A `Protocol`, or the name of one of `aa1xr.benchmark.PROTOCOLS`.
    model
        One of:

        - the name of one of `aa1xr.benchmark.MODELS`, or of an entry point of the group
          "aa1xr.models";
        - "package.module:attribute", or one of the following itself;
        - a function `(known, split, stimuli)` that returns rates [shape: (neuron, stimulus, time)]
          for `stimuli`, as a DataArray or in this order. `known` is the Dataset of the training and
          validation stimuli, `split` says which are which, and `stimuli` has the spectrograms to
          predict from. If it has a parameter `seed` or `checkpoint`, it gets the seed, and a path
          for its unfinished state or None;
        - an object with `fit(X, y)` and `predict(X)`, as in scikit-learn. A row of X is the
          spectrogram of a bin and of the 100 ms before it [shape: (bins, lag * freq)]; y are the
          rates of the neurons that were presented the same stimuli [shape: (bins, neuron)]. It is
          fitted to training and validation stimuli together;
        - a class of `torch.nn.Module`, made by `model(n_freq, n_neurons)` (and `dt_ms=`, if it has
          such a parameter), from (batch, freq, time) to rates (batch, neuron, time). It is trained
          like the networks of this package. A subclass of `aa1xr.benchmark.networks.Network` also
          shares their units, lead-in and read-out.

        See `aa1xr.benchmark.check_model`.
    areas
        The areas, each with its own models. The default is all areas of `ds`.
    seeds
        Seeds for models that start from random weights. A protocol with `together` adds the number
        of the split.
    splits
        Which splits of the protocol, counted from 0. The default is all. Runs of different splits
        or areas can share a `path`, also at the same time. A last run of all of them then only
        collects their results.
    path
        A folder for results. Each (model, area, split, seed) is written atomically. A later run
        continues from there, also within an interrupted fit if the model supports it. The folder is
        a Zarr hierarchy; `aa1xr.load` opens one unit.

    Returns
    -------
    xarray.Dataset
        `cc_norm`, `cc_norm_deepstrf` and `cc_raw` [shape: (split, seed, stimulus_type, neuron)] of
        `aa1xr.score` for the test stimuli of each type, or of "all" together. A model must not
        choose the neurons and bins that are scored: scores are 0 for a constant prediction, and for
        one that is NaN or infinite where there is a response.
        `causal` [shape: (split, seed, neuron)] is False if the predicted rate depends on later bins
        of the spectrogram. The attributes record the protocol and the model. The attribute
        `spectrogram` is "protocol" for the spectrogram of the protocol, and "custom" for another
        one, whose own attributes then replace those of the protocol.

    Raises
    ------
    ValueError
        If there is no such model, area or split, `ds` does not match the protocol, or `path`
        contains results of another protocol or other data.

    Notes
    -----
    With a `dask.distributed.Client`, units are distributed over its workers, which must be able to
    read the store of `ds`. Otherwise they run one after the other. A model of your own travels with
    its code, and the code of the modules in its folder or package that are loaded; packages that
    are installed must be installed on the workers.

    In `path`, your own model is known by its code, by what this refers to, and by its state: after
    a change, nothing is reused. What is installed is known by its version. A file that a model
    reads when it runs is not seen. The data of each area (neurons, trials, stimuli, spectrogram)
    must be the same too.

    Examples
    --------
    One split in wide bins, which takes a second; "cv10" has ten splits in bins of 5 ms.

    >>> protocol = aa1xr.benchmark.Protocol("quick", 10.0, ("conspecific",), "random", n_splits=1)
    >>> ds = aa1xr.open_sample(dt_ms=protocol.dt_ms).sel(animal_id="sim0000")
    >>> result = aa1xr.benchmark.run(ds, protocol, "ridge", areas=["MLd"])
    >>> float(result.cc_norm.mean()) > 0.8, result.attrs["protocol"]
    (True, 'quick')
    """
    protocol = find_protocol(protocol)
    entrant = find_model(model)
    seeds = [
        arguments.check_integer("seeds", seed, 0, _LARGEST_SEED)
        for seed in arguments.listed("seeds", seeds, 1000)
    ]
    chosen = list(range(protocol.n_splits)) if splits is None else _numbers(splits, protocol)
    prepared = protocol.prepare(ds)
    schema.require_coords(ds, "area")
    _check_labels(prepared)
    there = np.unique(ds["area"]).tolist()
    areas = there if areas is None else list(dict.fromkeys(arguments.names("areas", areas)))
    if unknown := [area for area in areas if area not in there]:
        known = ", ".join(map(printable, there))
        raise ValueError(f"there is no area {arguments.shown(unknown[0])}; there are {known}")
    if not areas or not seeds or not chosen:
        raise ValueError(
            f"areas={areas[:9]}, splits={chosen[:9]}, seeds={seeds[:9]}; expected at least one of "
            "each"
        )
    attrs = protocol.attrs_of(ds) | _source(ds)
    if path is not None:
        for area in areas:
            arguments.check_file_name("area", area)
    folder, key, of_area = None, entrant.name, {}
    if path is not None:
        key = entrant.key
        of_area = {area: data_digest(sel(prepared, area=area)) for area in areas}
        folder = open_folder(resolve_path("path", path), attrs | {"aa1xr_version": VERSION})
    of_splits = splits_digest(protocol.splits(prepared))
    units = [
        Unit(key, area, split, seed)
        for area, split, seed in itertools.product(areas, chosen, seeds)
    ]
    results = {
        unit: load_unit(folder, unit, data=of_area[unit.area])
        for unit in units
        if folder is not None and os.path.lexists(folder / str(unit))
    }
    todo = [unit for unit in units if unit not in results]
    for unit, result in _evaluate_all(prepared, protocol, entrant, todo, folder):
        results[unit] = result
        if folder is not None:
            of = result.assign_attrs(splits_sha256=of_splits)
            save_unit(folder, unit, of, data=of_area[unit.area])
    attrs |= {"splits_sha256": of_splits, "model": entrant.name}
    return _combine(results, areas).assign_attrs(attrs)


def _source(ds: xr.Dataset) -> dict[str, str]:
    """What the responses are of, as attributes of a result."""
    names = {"source_title": "title", "source_sha256": "source_sha256"}
    return {name: str(ds.attrs.get(of, "")) for name, of in names.items()}


def _numbers(splits: Iterable[int], protocol: Protocol) -> list[int]:
    """The numbers of some splits, each once; or ValueError."""
    last, why = protocol.n_splits - 1, f"the splits of protocol {protocol.name!r} count from 0"
    return list(
        dict.fromkeys(
            arguments.check_integer("splits", split, 0, last, why)
            for split in arguments.listed("splits", splits, 1000)
        )
    )


def _check_labels(prepared: xr.Dataset) -> None:
    """Refuse neurons or stimuli that occur twice, and the labels of the probes."""
    for dim in ("neuron", "stimulus"):
        repeated = prepared.indexes[dim][prepared.indexes[dim].duplicated()].tolist()
        ours = [label for label in PROBES if label in prepared.indexes[dim]]
        if repeated or ours:
            raise ValueError(
                f"each {dim} must have a label of its own, other than {', '.join(PROBES)}; got "
                f"{arguments.shown((repeated or ours)[0])}"
                + (" twice. Select each once" if repeated else "")
            )


def score_prediction(
    ds: xr.Dataset, prediction: xr.DataArray, protocol: Protocol | str
) -> xr.Dataset:
    """Score the predictions of any model under a protocol.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open(source, **protocol.options)`. Neurons without a prediction, and
        those whose prediction is not finite where there is a response, have no score.
    prediction
        Rates [shape: (neuron, stimulus, time), or with `split` if the protocol has several], in any
        unit, for at least the test stimuli. They are not smoothed, but the responses are. The model
        of a split must not have seen the responses to its test stimuli.
    protocol
        As in `run`.

    Returns
    -------
    xarray.Dataset
        As in `run`, with one seed. The attribute `spectrogram` is "unknown", because the stimulus
        of the prediction is not known.

    Raises
    ------
    ValueError
        If splits or test stimuli are missing.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=1)
    >>> result = aa1xr.benchmark.score_prediction(ds, ds.psth, "rancon2025")
    >>> result.cc_norm.dims, result.cc_norm.shape
    (('split', 'seed', 'stimulus_type', 'neuron'), (1, 1, 1, 12))
    """
    protocol = find_protocol(protocol)
    arguments.expect("prediction", prediction, xr.DataArray)
    if "split" not in prediction.dims:
        prediction = prediction.expand_dims(split=[0])
    if prediction.sizes["split"] != protocol.n_splits:
        raise ValueError(
            f"the prediction has {prediction.sizes['split']} split(s), protocol {protocol.name!r} "
            f"{protocol.n_splits}: each is a model of its own, with a prediction along 'split'"
        )
    prepared = protocol.prepare(ds)
    results, splits = [], protocol.splits(prepared)
    for k, split in enumerate(splits):
        rate = prediction.isel(split=k, drop=True)
        if missing := sorted(
            set(split.test) - set(np.atleast_1d(schema.values_along(rate, "stimulus")))
        ):
            raise ValueError(
                f"split {k} has no prediction of its test stimulus {str(missing[0])!r}"
            )
        results.append(_all_neurons(_scores(rate, prepared, split, protocol).compute(), ds))
    result = xr.concat(results, "split").assign_coords(split=np.arange(len(results)))
    attrs = protocol.attrs_of(None) | _source(ds) | {"splits_sha256": splits_digest(splits)}
    return result.expand_dims(seed=[0]).transpose(*_DIMS).assign_attrs(attrs)


def find_protocol(protocol: Protocol | str) -> Protocol:
    """A protocol, also by its name in `PROTOCOLS`; or TypeError, or ValueError."""
    if isinstance(protocol, str):
        arguments.choice("protocol", protocol, PROTOCOLS)
        return PROTOCOLS[protocol]
    arguments.expect("protocol", protocol, Protocol, f"a Protocol or one of {', '.join(PROTOCOLS)}")
    return protocol


def evaluate(
    prepared: xr.Dataset,
    protocol: Protocol,
    entrant: Entrant,
    unit: Unit,
    folder: Path | None = None,
) -> xr.Dataset:
    """Fit and score one unit, in this process; `folder` is for what is unfinished."""
    # On a worker of a cluster, its own threads: the cluster is busy with other units.
    with own_threads():
        ds = sel(prepared, area=unit.area)
        split = protocol.splits(ds)[unit.split]
        known = ds.sel(stimulus=[*split.train, *split.validation])
        stimuli, changes = with_probes(ds.sel(stimulus=split.test)[["spectrogram"]])
        checkpoint = None if folder is None else checkpoint_of(folder, unit)
        # Of the process: the threads of BLAS, torch and dask count, and so do other units that run
        # in this process meanwhile (a worker with several threads). Reading and smoothing the
        # responses count, since a model may do so; scores do not. What an interrupted process took
        # is not known.
        resumed = folder is not None and bool(unfinished(folder, unit))
        started = time.process_time()
        seed = unit.seed + (unit.split if protocol.together else 0)
        found = entrant.predict(known, split, stimuli, seed, checkpoint).compute()
        seconds = math.nan if resumed else time.process_time() - started
        tested = _with_constant_for_undefined(found.sel(stimulus=split.test), ds["psth"], entrant)
        scores = _scores(tested, ds, split, protocol).compute()
        counts = entrant.count_parameters(
            ds.sizes["freq"], ds.sizes["neuron"], dt_ms=schema.bin_width_ms(ds)
        )
        return scores.assign(
            {"causal": is_causal(found, changes)} | _of_fit(seconds, *(counts or ()))
        ).assign_attrs(_versions(counts is not None), model=entrant.name)


#: What a fit is, beside its scores: one number for all neurons of an area. NaN if not known.
_OF_FIT = {
    "seconds": {"units": "s", "long_name": "processor time of the fit and prediction"},
    "parameters_one_output": {"units": "1", "long_name": "parameters of a network for one neuron"},
    "parameters": {"units": "1", "long_name": "parameters of the network of all neurons"},
}


def _of_fit(*values: float) -> dict[str, xr.Variable]:
    values += (np.nan,) * (len(_OF_FIT) - len(values))
    return {
        name: xr.Variable((), float(value), attrs)
        for (name, attrs), value in zip(_OF_FIT.items(), values, strict=True)
    }


def _versions(has_network: bool) -> dict[str, str]:
    torch = {"torch_version": str(import_module("torch").__version__)} if has_network else {}
    return {"aa1xr_version": VERSION} | torch


def _scores(
    prediction: xr.DataArray, ds: xr.Dataset, split: Split, protocol: Protocol
) -> xr.Dataset:
    """Of the test stimuli of each type, or of all. [shape: (stimulus_type, neuron)]."""
    test = ds.sel(stimulus=split.test)
    types = ["all"] if protocol.together else list(dict.fromkeys(test["type"].values.tolist()))
    each = [
        score_by(
            test if protocol.together else sel(test, type=type_),
            prediction,
            SCORES,
            during="stimulus",
            any_units=True,
            allow_gaps=False,
            constant_as_zero=True,  # a model must not choose the neurons that are scored
            caller="aa1xr.benchmark",
        )
        for type_ in types
    ]
    return xr.concat(each, TYPE).assign_coords({TYPE: types})


def _with_constant_for_undefined(
    found: xr.DataArray, psth: xr.DataArray, entrant: Entrant
) -> xr.DataArray:
    """Zero for all of a neuron with a NaN or an infinite rate where it has a response."""
    if np.isfinite(found).all():  # as a rule: the responses need not be read and smoothed for it
        return found
    response = psth.sel(stimulus=found["stimulus"]).notnull()
    undefined = (response & ~np.isfinite(found)).any(["stimulus", "time"]).compute()
    if undefined.any():
        names = found["neuron"].values[undefined.values].tolist()
        warn(
            f"the model {entrant.name!r} predicts NaN or infinite rates for "
            f"{count_names(names)}, which score 0",
            UndefinedWarning,
        )
    return found.where(~undefined, 0.0)


def _all_neurons(scores: xr.Dataset, ds: xr.Dataset) -> xr.Dataset:
    """NaN for the neurons of `ds` that were not scored."""
    names = scores["neuron"].to_index().get_indexer(ds["neuron"].values)
    there = xr.Variable("neuron", names >= 0)
    labels = {name: c.variable for name, c in ds.coords.items() if c.dims == ("neuron",)}
    bare = scores.drop_vars([name for name, c in scores.coords.items() if "neuron" in c.dims])
    return bare.isel(neuron=names).where(there).assign_coords(labels)


def _evaluate_all(
    prepared: xr.Dataset,
    protocol: Protocol,
    entrant: Entrant,
    units: list[Unit],
    folder: Path | None,
) -> Iterator[tuple[Unit, xr.Dataset]]:
    """Every unit, as it is finished."""
    from tqdm.auto import tqdm

    with tqdm(total=len(units), unit="fit", disable=None) as progress:
        if (client := open_client()) is None:
            for unit in units:
                yield unit, evaluate(prepared, protocol, entrant, unit, folder)
                progress.update()
            return
        futures = {
            client.submit(evaluate, prepared, protocol, entrant, unit, folder, pure=False): unit
            for unit in units
        }
        for future in import_module("distributed").as_completed(futures):
            yield futures[future], future.result()
            progress.update()


def _combine(results: dict[Unit, xr.Dataset], areas: list[str]) -> xr.Dataset:
    of_area = []
    for area in areas:
        of = {(unit.split, unit.seed): r for unit, r in results.items() if unit.area == area}
        splits, seeds = (sorted({key[k] for key in of}) for k in (0, 1))
        rows = [xr.concat([of[split, seed] for seed in seeds], "seed") for split in splits]
        whole = xr.concat(rows, "split").assign_coords(split=splits, seed=seeds)
        # Repeated for each neuron, so that it is selected with the neurons.
        each = {name: whole[name].broadcast_like(whole["causal"]) for name in _OF_FIT}
        of_area.append(whole.assign(each))
    return xr.concat(of_area, "neuron").transpose(*_DIMS)
