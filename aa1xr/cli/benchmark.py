"""`aa1xr benchmark`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import aa1xr
from aa1xr import arguments
from aa1xr.archive.contents import Contents
from aa1xr.arguments import shown
from aa1xr.benchmark import (
    MODELS,
    PROTOCOLS,
    Protocol,
    mean_of_trials,
    read_scores,
    read_splits,
    run,
    score_prediction,
    stored_scores,
    table,
    true_rate,
)
from aa1xr.benchmark.external import find_model
from aa1xr.benchmark.table import row_names
from aa1xr.cli.options import add_source, place_options
from aa1xr.cluster import require_workers
from aa1xr.optional import import_optional
from aa1xr.printable import one_line
from aa1xr.schema import AREAS
from aa1xr.store import locate
from aa1xr.store.read import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `benchmark` takes."""
    parser.description = (
        "Fit a model on every split of a protocol, score it, and print a table, with "
        "the published figures of this protocol (or, for simulated neurons, their true rates)."
    )
    add_source(parser)
    parser.add_argument("--sample", action="store_true", help="take the simulated sample")
    parser.add_argument("--protocol", choices=PROTOCOLS, help="default: cv10")
    parser.add_argument(
        "--splits", metavar="FILE", help="of aa1xr.benchmark.write_splits, for the protocol"
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="only print stored scores, without any data: those of this package and the published "
        "ones, and those in --out, of all protocols and areas or of those given",
    )
    parser.add_argument(
        "--against", metavar="MODEL", help="add the differences to the CCnorm of this model"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--model",
        help=f"{', '.join(MODELS)}, an installed model, or 'package.module:attribute' (also of the "
        "working directory): see aa1xr.benchmark.run; default: ridge",
    )
    what.add_argument(
        "--prediction",
        metavar="FILE",
        help="score this instead: a Zarr store of aa1xr.save with the variable `prediction` "
        "(neuron, stimulus, time), and `split` where the protocol has several",
    )
    parser.add_argument("--area", choices=AREAS, help="default: both")
    parser.add_argument(
        "--seeds", type=partial(_number, "seed"), nargs="+", metavar="N", help="default: 0"
    )
    parser.add_argument(
        "--split",
        type=partial(_number, "split"),
        nargs="+",
        metavar="N",
        help="only these splits, counted from 0, as a job of an array: all jobs share --out, and "
        "the same command without --split then prints the table of all",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for finished fits; a later run resumes from it"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster to run on")
    parser.add_argument(
        "--wait",
        type=float,
        default=10,
        metavar="SECONDS",
        help="for the first worker of the cluster; default: 10",
    )
    parser.set_defaults(run=_run)


def _number(noun: str, text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"a {noun} must be a whole number, 0 or more; got {text[:80]!r}"
        )
    return int(text)


def _run(args: argparse.Namespace) -> None:
    if args.table:
        _print_stored(args)
        return
    protocol, here = PROTOCOLS[args.protocol or "cv10"], str(Path.cwd())
    if args.splits is not None:
        protocol = read_splits(args.splits, protocol)
    sys.path.insert(0, here)  # as `python -m` has it: a module of the working directory is found
    try:
        prediction = _check(args)
        with _cluster(args.scheduler, args.wait):
            _score(args, protocol, prediction)
    finally:
        sys.path.remove(here)


def _print_stored(args: argparse.Namespace) -> None:
    """The table, from what was computed before."""
    computing = ("sample", "model", "prediction", "splits", "split", "seeds", "scheduler")
    for name in ("source", *computing):
        if getattr(args, name):
            option = one_line(args.source) if name == "source" else f"--{name}"
            raise ValueError(f"--table prints stored scores and computes nothing; omit {option}")
    scores = [stored_scores()]
    if args.out is not None:
        own = read_scores(args.out)
        scores.append(own.assign(model=own["model"] + f" ({Path(args.out).resolve().name})"))
    if args.area is not None:
        scores = [lines[lines["area"] == args.area] for lines in scores]
    print(table(scores, baseline=args.against, protocol=args.protocol))


def _check(args: argparse.Namespace) -> xr.DataArray | None:
    """Refuse what cannot work before anything is computed; open the prediction, if there is one."""
    if args.sample and args.source is not None:
        raise ValueError(f"give either --sample or {one_line(args.source)}")
    if args.prediction is not None:
        for option in ("seeds", "split", "out"):
            if getattr(args, option) is not None:
                raise ValueError(f"--{option} is for a --model that is fitted, not a --prediction")
        return _read(args.prediction)
    if args.split is not None and args.against is not None:
        raise ValueError("--against compares models in all splits; omit it, or --split")
    args.model = find_model(args.model or "ridge")
    if args.out is not None and Path(args.out).is_file():
        raise ValueError(f"--out {one_line(args.out)} is a file; expected a folder for results")
    return None


def _score(args: argparse.Namespace, protocol: Protocol, prediction: xr.DataArray | None) -> None:
    if args.sample:
        source = aa1xr.open_sample(data_dir=args.data_dir).encoding["source"]
    else:
        source = locate.find_store(args.source, **place_options(args)).place
    ds = aa1xr.open(source, storage_options=args.storage_options, **protocol.options)
    if args.area:
        ds = aa1xr.sel(ds, area=args.area)
    fit = partial(run, ds, protocol, args.model, seeds=args.seeds or [0], path=args.out)
    if args.split is not None:  # a part, which does not compare with what has all splits
        part = fit(splits=args.split)
        print(f"{protocol}\n")
        print(table([part], published=False))
        return
    store = Store(source, args.storage_options)
    truth = None if store.attrs["simulation"] is None else _truth(store, protocol)
    own = args.model.name if prediction is None else Path(args.prediction).name
    # Of the recordings, the scores of other models and what other trials predict are stored.
    recorded = Contents.of_attrs(store.attrs).origin == "aa1"
    stored = stored_scores().assign(name=row_names)
    of_trials = stored["model"].str.contains("trial")
    beside = stored[of_trials | recorded]
    if recorded:
        here = beside["protocol"].eq(protocol.name) & beside["area"].isin(np.unique(ds["area"]))
        beside = beside[here]
    if args.against is not None:  # before the fit, which takes long
        names = [own, *["true rate"] * (truth is not None), *beside["name"].unique()]
        arguments.choice("--against", args.against, names)
    if prediction is None:
        rows: list[Any] = [fit()]
    else:
        rows = [score_prediction(ds, prediction, protocol).assign_attrs(model=own)]
    if truth is not None:
        of_truth = score_prediction(ds, truth, protocol)
        rows.append(of_truth.assign_attrs(model="true rate"))
    if recorded:
        asked = (beside["name"] == args.against) & (args.against != own)
        rows.append(beside[of_trials.reindex(beside.index) | asked])
    else:
        rows += mean_of_trials(ds, protocol)
    print(f"{protocol}\n")
    print(table(rows, published=recorded, baseline=args.against))


def _read(path: str) -> xr.DataArray:
    found = aa1xr.load(path)
    if "prediction" not in found:
        raise ValueError(
            f"{one_line(path)} has no variable 'prediction'; it has: "
            f"{', '.join(map(one_line, found))}"
        )
    return found["prediction"]


def _truth(store: Store, protocol: Protocol) -> xr.DataArray:
    """The true rates of simulated neurons, whose simulation is run again."""
    simulation, labels = store.attrs["simulation"], store.labels
    # It comes with the archive, which may be anybody's.
    most = {
        "n_neurons": labels.neuron.size,
        "n_songs": labels.name.size,
        "n_ripples": labels.name.size,
        "n_trials": labels.n_trials,
    }
    if (
        simulation.keys() != {*most, "seed"}
        or not all(isinstance(value, int) for value in simulation.values())
        or any(simulation[name] > size for name, size in most.items())
    ):
        raise ValueError(
            f"{store.url} was simulated with {shown(simulation)}; expected {', '.join(most)}, no "
            "more of each than are in it, and seed, as aa1xr.simulate_archive writes them"
        )
    with tempfile.TemporaryDirectory() as folder:
        truth = aa1xr.simulate_archive(Path(folder) / "again.zip", **simulation)
    ds = aa1xr.open(store.place, dt_ms=truth.attrs["dt_ms"], storage_options=store.storage_options)
    return true_rate(ds, truth, protocol)


@contextlib.contextmanager
def _cluster(address: str | None, wait: float) -> Iterator[None]:
    """Compute on a dask cluster, if there is an address."""
    if address is None:
        yield
        return
    distributed = import_optional("distributed", extra="cluster")
    try:
        client = distributed.Client(address, timeout=wait)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no dask scheduler answers at {one_line(address)} ({one_line(error)})"
        ) from error
    with client:
        require_workers(client, seconds=wait)
        yield
