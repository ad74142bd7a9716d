"""Faulty storage: S3 that is busy, truncates, disconnects, forbids, loses and alters requests"""

import shutil
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np

import aa1xr
from aa1xr.store.locate import ensure_store
from aa1xr.store.storage import open_storage
from stress.faulty_s3_server import FAULTS, Flaky, options
from stress.tally import Tally, tally, times
from tests import s3_server

#: Seconds after which a try counts as hung.
PATIENCE = 400
#: Tries at once: most of the time of one is waiting before it asks again.
AT_ONCE = 8

ALLOWED = (aa1xr.StoreError, OSError)


def run(work: Path, scale: float) -> Iterator[Tally]:
    flaky: list[Flaky] = []

    def wrap(application: Callable) -> Flaky:
        flaky.append(Flaky(application))
        return flaky[0]

    with s3_server.serve(wrap, bucket="flaky") as server, ThreadPoolExecutor(AT_ONCE) as pool:
        scene = Scene(server, work)
        n = times(16, scale)  # each try has a client of its own, which takes 30 MB
        tries = {
            # All that is tried is, even if each fault has one try.
            fault: [pool.submit(scene.attempt, fault, seed) for seed in range(first, first + n)]
            for first, fault in enumerate(FAULTS)
        }
        for fault, futures in tries.items():
            with tally(fault.replace("_", " ")) as counted:
                for future in futures:
                    count(counted, *future.result())
            spoiled, asked = flaky[0].counts(fault)
            counted.figures = f"{spoiled:,} of {asked:,} requests"
            yield counted


def count(counted: Tally, what: str, end: str) -> None:
    if end == "right":
        counted.right += 1
    elif end == "refused":
        counted.refused += 1
    else:
        counted.failures.append(f"{what}: {end}")


class Scene:
    """A store and a saved Dataset in a bucket, what they hold, and what is tried with them."""

    def __init__(self, server: s3_server.Server, work: Path) -> None:
        self.server, self.work = server, work
        self.clean = {**server.options, "key": "clean"}
        self.root = f"s3://{server.bucket}"
        fsspec.filesystem("s3", **self.clean).mkdir(server.bucket)
        archive = work / "cells.zip"
        aa1xr.simulate_archive(archive, n_neurons=4, n_songs=2, n_ripples=1, n_trials=4)
        self.store = ensure_store(archive, data_dir=work)
        self.local = work / "local.zarr"
        shutil.copytree(self.store, self.local)
        self.ds = aa1xr.open(self.store, dt_ms=10, before_ms=100).load()
        self.part = self.ds[["spikes", "n_trials"]].sel(area="MLd")
        for name in ("aa1", "sounds"):
            aa1xr.copy_store(self.store, f"{self.root}/{name}.zarr", target_options=self.clean)
        aa1xr.save(self.part, f"{self.root}/saved.zarr", storage_options=self.clean)
        self.events = aa1xr.events(self.store)
        self.quality = aa1xr.quality(self.ds)
        # In the short form each fault has one, in this order; that which stalls asks little.
        self.attempts = (
            self.psth, self.measured, self.spikes, self.copied_there, self.copied_back,
            self.loaded, self.saved, self.sound,
        )  # fmt: skip

    def attempt(self, fault: str, seed: int) -> tuple[str, str]:
        """One try, within its time; the seed says of what. Its name, and how it ended."""
        attempt = self.attempts[seed % len(self.attempts)]
        name = f"{fault}-{seed}"
        ended: list[str] = []

        def work() -> None:
            ended.append(self._end(attempt, name))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        return f"{attempt.__name__}, {name}", ended[0] if ended else f"hung for {PATIENCE} s"

    def _end(self, attempt: Callable[[str, dict], bool], name: str) -> str:
        try:
            return "right" if attempt(name, options(self.server, name)) else "wrong data"
        except ALLOWED as error:
            return "refused" if self.root.removeprefix("s3://") in str(error) else _told(error)
        except Exception as error:  # noqa: BLE001 - any is a failure
            return _told(error)

    # What may end with an error, but not with other data

    def psth(self, name: str, flaky: dict) -> bool:
        there = self._open("aa1", flaky)
        return there.psth.sel(area="MLd").compute().identical(self.ds.psth.sel(area="MLd"))

    def measured(self, name: str, flaky: dict) -> bool:
        return aa1xr.quality(self._open("aa1", flaky)).compute().identical(self.quality)

    def spikes(self, name: str, flaky: dict) -> bool:
        there = aa1xr.events(f"{self.root}/aa1.zarr", storage_options=flaky)
        return there.identical(self.events)

    def loaded(self, name: str, flaky: dict) -> bool:
        there = aa1xr.load(f"{self.root}/saved.zarr", storage_options=flaky)
        return there.compute().identical(self.part)

    def _open(self, name: str, storage_options: dict) -> object:
        url = f"{self.root}/{name}.zarr"
        return aa1xr.open(url, dt_ms=10, before_ms=100, storage_options=storage_options)

    # What leaves something behind, which must be whole or not pass for it

    def copied_there(self, name: str, flaky: dict) -> bool:
        url = f"{self.root}/{name}.zarr"
        try:
            aa1xr.copy_store(self.store, url, target_options=flaky)
        except ALLOWED:
            if not self._nothing_else(lambda: self._open(name, self.clean).psth, self.ds.psth):
                return False
            raise
        return self._same(url, self.clean)

    def copied_back(self, name: str, flaky: dict) -> bool:
        target = self.work / f"{name}.zarr"
        try:
            aa1xr.copy_store(f"{self.root}/aa1.zarr", target, source_options=flaky)
            return self._same(str(target), None)
        except ALLOWED:
            if list(self.work.glob(f"*{name}.zarr*")):
                return False
            raise
        finally:
            shutil.rmtree(target, ignore_errors=True)

    def saved(self, name: str, flaky: dict) -> bool:
        url = f"{self.root}/{name}.zarr"
        try:
            aa1xr.save(self.part, url, storage_options=flaky)
        except ALLOWED:
            load = lambda: aa1xr.load(url, storage_options=self.clean)  # noqa: E731
            if not self._nothing_else(load, self.part):
                return False
            raise
        # Where the storage did not keep what it said it had, this is what tells.
        return aa1xr.load(url, storage_options=self.clean).compute().identical(self.part)

    def sound(self, name: str, flaky: dict) -> bool:
        fault, _, seed = name.partition("-")
        fmin = list(FAULTS).index(fault) + int(seed) / 1024  # its own, which nobody asked for yet
        right = self._spectrogram(self.local, fmin, None)
        url = f"{self.root}/sounds.zarr"
        there = self._spectrogram(url, fmin, flaky)
        return np.array_equal(there, right) and np.array_equal(
            self._spectrogram(url, fmin, self.clean), right
        )

    def _spectrogram(self, url: str | Path, fmin: float, storage_options: dict | None) -> object:
        ds = aa1xr.open(
            url, dt_ms=10, n_mels=8, fmin=fmin, chunks=None, storage_options=storage_options
        )
        return ds.spectrogram.values

    def _nothing_else(self, read: Callable[[], object], right: object) -> bool:
        """Whether there is what is right, or nothing that can be read."""
        try:
            return read().compute().identical(right)
        except ALLOWED:
            return True

    def _same(self, url: str, storage_options: dict | None) -> bool:
        there, here = open_storage(url, storage_options), open_storage(str(self.store))
        return there.read_all(there.listing()) == here.read_all(here.listing())


def _told(error: Exception) -> str:
    """An error that is not of the package, and where it came from."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:300]} ({Path(at.filename).name}:{at.lineno})"
