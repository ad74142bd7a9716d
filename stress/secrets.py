"""What uses aa1xr with secrets, prints and logs all it can, and so shows where they would end up.

Reads what it needs as JSON from standard input: no argument or variable holds a secret here,
except where one is meant to. Run by `supply`.
"""

import contextlib
import dataclasses
import json
import logging
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xarray as xr
from dask.base import tokenize

import aa1xr
from aa1xr import cli
from aa1xr.archive.credentials import find_credentials
from aa1xr.benchmark import PROTOCOLS, run
from aa1xr.store.location import zarr_store
from aa1xr.store.read import Store
from aa1xr.store.storage import open_storage

Features = Iterator[tuple[str, Callable[[], object]]]


def main() -> None:
    given = json.load(sys.stdin)
    everything = logging.StreamHandler()
    everything.setLevel(logging.INFO)
    logging.basicConfig(
        level=logging.DEBUG, handlers=[everything, logging.FileHandler("debug.log")]
    )
    # Those of others show at DEBUG what they send: the key id, a signature.
    for name in ("botocore", "aiobotocore", "s3fs", "urllib3", "asyncio", "numba", "matplotlib"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("aa1xr").addHandler(logging.StreamHandler())
    counts = {"worked": 0, "failed": 0}
    for name, feature in features(given):
        print(f"== {name}")
        try:
            show(feature())
            counts["worked"] += 1
        except (Exception, SystemExit) as error:  # noqa: BLE001
            traceback.print_exc()
            print(repr(error), error.args, vars(error))
            counts["failed"] += 1
    print(json.dumps(counts))


def show(thing: object) -> None:
    """Print what is to be seen of something."""
    for one in thing if isinstance(thing, list | tuple) else [thing]:
        print(repr(one), str(one), getattr(one, "__dict__", {}).keys())
        if isinstance(one, xr.Dataset):
            print(one._repr_html_(), one.encoding, one.attrs, tokenize(one), one.aa1)
            print(one.aa1._repr_html_(), [v.encoding for v in one.variables.values()])
            print(list(one.__dask_graph__() or {}), one.__dask_keys__())
            # As a worker logs a task that fails.
            print([repr(task) for task in dict(one.__dask_graph__() or {}).values()])
            print([repr(v._data) for v in one.variables.values()])


def features(given: dict[str, Any]) -> Features:
    """What there is to use, in ways that work and in ways that do not."""
    yield from _downloads(given)
    yield from _stores(given)
    yield from _results(given)
    yield from _commands(given)
    if given["long"]:
        yield from _longer(given)


def _downloads(given: dict[str, Any]) -> Features:
    username, password = given["username"], given["password"]
    host = "127.0.0.1"

    def download(folder: str, **account: str) -> xr.Dataset:
        return aa1xr.open(download=True, data_dir=folder, accept_terms=True, **account)

    yield "no account", lambda: download("none")
    yield "wrong password", lambda: download("wrong", username=username, password=f"{password}!")
    yield "arguments", lambda: download("arguments", username=username, password=password)
    yield "credentials", lambda: find_credentials(username, password, host=host)
    Path.home().joinpath(".netrc").touch(mode=0o600)
    Path.home().joinpath(".netrc").write_text(
        f"machine {host} login {username} password {given['netrc_password']}\n"
    )
    yield "netrc", lambda: find_credentials(None, None, host=host)
    yield "refused from netrc", lambda: download("netrc")
    os.environ |= {"CRCNS_USERNAME": username, "CRCNS_PASSWORD": password}
    yield "environment", lambda: download("environment")
    yield "aa1xr download", lambda: cli.main(["download", "--data-dir", "cli", "--accept-terms"])


def _stores(given: dict[str, Any]) -> Features:
    url, nowhere, options = given["url"], "s3://no-such-bucket/aa1.zarr", given["options"]
    wrong = {
        "refused": options | {"endpoint_url": given["refusing"]},
        "no server": options | {"endpoint_url": "http://127.0.0.1:9"},
        "misspelt": {"keey": options["key"], "secrets": options["secret"]},
    }
    archive = given["archive"]
    yield "copy", lambda: aa1xr.copy_store(archive, url, target_options=options)
    yield "copy again", lambda: aa1xr.copy_store(archive, url, target_options=options)
    yield "copy nowhere", lambda: aa1xr.copy_store(archive, nowhere, target_options=options)
    yield "copy back", lambda: aa1xr.copy_store(url, "back.zarr", source_options=options)
    yield "store", lambda: (Store(url, options), zarr_store(url, options, read_only=True))
    yield "storage", lambda: open_storage(url, options)
    yield "open", lambda: aa1xr.open(url, storage_options=options)
    yield "open without dask", lambda: aa1xr.open(url, storage_options=options, chunks=None)
    yield "open nowhere", lambda: aa1xr.open(nowhere, storage_options=options)
    yield "engine", lambda: xr.open_dataset(url, engine="aa1xr", storage_options=options)
    for how, other in wrong.items():
        yield f"open, {how}", lambda other=other: aa1xr.open(url, storage_options=other)
        yield f"load, {how}", lambda other=other: aa1xr.load(url, storage_options=other)
        yield (
            f"copy, {how}",
            lambda other=other: aa1xr.copy_store(
                archive, f"{url}-{len(other)}", target_options=other
            ),
        )


def _results(given: dict[str, Any]) -> Features:
    url, options = given["url"], given["options"]
    saved = f"{url}-saved"
    ds = aa1xr.open(url, storage_options=options)
    yield "compute", ds.compute
    yield "events of a store", lambda: aa1xr.events(url, storage_options=options)

    def events() -> xr.Dataset:
        return aa1xr.events(ds, storage_options=options)

    yield "events of a Dataset", events
    yield "save", lambda: aa1xr.save(ds, saved, storage_options=options)
    yield "save again", lambda: aa1xr.save(ds, saved, storage_options=options)
    yield "load", lambda: aa1xr.load(saved, storage_options=options)
    yield "save here", lambda: aa1xr.save(ds, "here.zarr")
    yield "load from here", lambda: aa1xr.load("here.zarr")
    yield "netCDF of xarray", lambda: ds[["n_trials"]].to_netcdf("n_trials.nc", engine="scipy")
    yield "table", lambda: aa1xr.to_pandas(events()).to_csv("spikes.csv")
    yield "neurons", lambda: aa1xr.neurons(ds).to_csv("neurons.csv")
    yield "MAT", lambda: aa1xr.to_mat(events(), "spikes.mat")
    yield "NWB", lambda: aa1xr.to_nwb(ds, "nwb", storage_options=options)
    yield "pynapple", lambda: list(aa1xr.to_pynapple(events()))
    # The one place that has to hold them: a pickle, for workers that read the store themselves.
    yield "pickle", lambda: f"pickled: {options['secret'].encode() in pickle.dumps(ds)}"


def _commands(given: dict[str, Any]) -> Features:
    options = json.dumps(given["options"])
    for target, text in (
        (f"{given['url']}-cli", options),
        (given["url"], options),
        ("s3://no-such-bucket/aa1.zarr", options),
        (given["url"], options[:-1]),
        (given["url"], json.dumps([options])),
    ):
        command = ["copy", given["archive"], target, "--target-options", text]
        yield "aa1xr copy", lambda command=command: cli.main(command)
    yield "aa1xr info", lambda: cli.main(["info", "back.zarr"])
    yield "aa1xr export", lambda: cli.main(["export", "back.zarr", "--to", "csv", "-o", "a.csv"])


def _longer(given: dict[str, Any]) -> Features:
    from distributed import Client

    ds = aa1xr.open(given["url"], storage_options=given["options"])
    protocol = dataclasses.replace(PROTOCOLS["rancon2025"], name="quick", dt_ms=5.0)
    yield "benchmark", lambda: run(ds, protocol, areas=["MLd"], path="results.zarr")
    gone = aa1xr.open(f"{given['url']}-cli", storage_options=given["options"])
    files = open_storage(f"{given['url']}-cli", given["options"])
    files.fs.rm(files.root, recursive=True)
    with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        yield "on a cluster", ds.psth.compute
        yield "on a cluster, gone", gone.psth.compute
        yield "logs", lambda: (client.get_worker_logs(), client.get_scheduler_logs())
        with contextlib.suppress(Exception):
            client.get_task_stream(filename="task-stream.html")


if __name__ == "__main__":
    main()
