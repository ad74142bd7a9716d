"""SLURM: workers that are jobs, cancelled jobs, arrays, and the scripts of the guide

SLURM is started here, with one node: see `slurm_node`. Each result must be identical to that of
this process.
"""

import random
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dask
import xarray as xr

import aa1xr
from aa1xr import benchmark
from benchmarks.archives import find_archive
from stress import slurm_node
from stress.processes import killing
from stress.tally import Tally, tally, times

#: What the page "Clusters" shows.
SCRIPTS = Path(__file__).resolve().parents[1] / "docs" / "slurm"
PROTOCOL, SPLITS = "cv10", 10


def run(work: Path, scale: float) -> Iterator[Tally]:
    """All of it, or the reason why there is nothing."""
    try:
        if find_spec("dask_jobqueue") is None:
            raise slurm_node.UnavailableError("needs dask-jobqueue: pip install dask-jobqueue")
        with slurm_node.slurm(work / "slurm"), warnings.catch_warnings():
            warnings.simplefilter("ignore", aa1xr.UndefinedWarning)  # of silent sample neurons
            yield from tests(work, scale)
    except slurm_node.UnavailableError as reason:
        yield Tally("SLURM", figures=f"skipped: {reason}")


def tests(work: Path, scale: float) -> Iterator[Tally]:
    """On a SLURM that runs."""
    folder = work / "user"
    sample = prepare(work, folder)
    yield computed("of the sample, in three jobs", sample, work, lazy_results)
    archive = find_archive()
    if archive is None:
        yield Tally("real recordings, in three jobs", figures="skipped: needs crcns-aa1.zip")
    else:
        aa1xr.copy_store(archive, work / "real.zarr", data_dir=work / "real")
        yield computed("of the recordings, in three jobs", work / "real.zarr", work, real_results)
    yield adapted(sample, work)
    yield cancelled(sample, work, times(10, scale))
    yield spilled(sample, work)
    local = work / "local"
    table = aa1xr_command(["benchmark", str(sample), "--protocol", PROTOCOL, "--out", str(local)])
    yield on_scheduler(sample, work, local)
    yield script(folder)
    yield from arrays(folder, local, table, times(5, scale))
    yield on_gpu(folder, work)


def prepare(work: Path, folder: Path) -> Path:
    """The folder of a user: an environment, a store and the scripts; the store."""
    activate = folder / "env" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f'export PATH="{Path(sys.executable).parent}:$PATH"\n')
    for path in SCRIPTS.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    source = aa1xr.open_sample(data_dir=work).encoding["source"]
    aa1xr.copy_store(source, folder / "aa1.zarr")
    return folder / "aa1.zarr"


@contextmanager
def cluster(work: Path, *, memory: str = "2GB") -> Iterator[tuple[Any, Any]]:
    """A cluster without jobs, and its client."""
    from dask.distributed import Client
    from dask_jobqueue import SLURMCluster

    with (
        # A job that was busy with a task when it was cancelled is no proof against the task.
        dask.config.set({"distributed.scheduler.allowed-failures": 100}),
        SLURMCluster(
            cores=1,
            processes=1,
            memory=memory,
            walltime="01:00:00",
            local_directory=str(work / "scratch"),
            log_directory=str(work / "logs"),
            scheduler_options={"dashboard_address": ":0"},
        ) as found,
        Client(found) as client,
    ):
        yield found, client


# Workers that are jobs


def lazy_results(ds: xr.Dataset) -> dict[str, Any]:
    """What is computed of the sample."""
    return real_results(ds) | {
        "spikes": ds.spikes,
        "quality of pairs": aa1xr.quality(ds, by="stimulus"),
        "smooth": aa1xr.smooth(ds.psth, window_ms=21),
        "coherence": aa1xr.coherence(ds, ds.psth),
    }


def real_results(ds: xr.Dataset) -> dict[str, Any]:
    """What is computed of the recordings, too."""
    train, validation, test = aa1xr.split(ds, test=0.2, validation=0.1)
    fit = aa1xr.strf(ds, train=train, validation=validation, lags_ms=100)
    held_out = ds.sel(stimulus=test)
    return {
        "PSTHs": ds.psth,
        "spectrogram": ds.spectrogram,
        "quality": aa1xr.quality(ds),
        "STRFs": fit,
        "score of the STRFs": aa1xr.score(held_out, aa1xr.predict(held_out, fit)),
    }


def computed(
    what: str, store: Path, work: Path, results: Callable[[xr.Dataset], dict[str, Any]]
) -> Tally:
    """Compute and save in jobs; spectrograms are made there, of a store that has none."""
    bare = work / f"bare-{store.name}"
    shutil.copytree(store, bare, ignore=shutil.ignore_patterns("spectrogram-*"))
    with tally(what) as counted:
        ds = aa1xr.open(store, chunks={"neuron": 4})
        expected = {name: lazy.compute() for name, lazy in results(ds).items()}
        there = aa1xr.open(bare, chunks={"neuron": 4, "stimulus": 2})
        with cluster(work) as (jobs, client):
            jobs.scale(jobs=3)
            client.wait_for_workers(3, timeout=600)
            compare(counted, "spectrogram of a bare store", there.spectrogram.compute,
                    expected["spectrogram"])  # fmt: skip
            for name, lazy in results(ds).items():
                compare(counted, name, lazy.compute, expected[name])
            saved = work / f"saved-{store.name}"
            aa1xr.save(ds[["psth"]], saved)
            aa1xr.save(aa1xr.quality(ds), work / f"quality-{store.name}")
        compare(counted, "saved PSTHs", aa1xr.load(saved).psth.compute,
                expected["PSTHs"])  # fmt: skip
        compare(counted, "saved quality",
                aa1xr.load(work / f"quality-{store.name}").compute,
                expected["quality"])  # fmt: skip
    return counted


def adapted(store: Path, work: Path) -> Tally:
    """Jobs that are submitted when there is work, and end when there is none."""
    with tally("a cluster that adapts from no job") as counted, cluster(work) as (jobs, _):
        ds = aa1xr.open(store, chunks={"neuron": 3})
        expected = aa1xr.quality(ds).compute(scheduler="threads")
        jobs.adapt(minimum=0, maximum=2)
        for number in range(3):
            end = time.monotonic() + 120
            while slurm_node.jobs() and time.monotonic() < end:
                time.sleep(0.2)
            if slurm_node.jobs():
                counted.failures.append(f"round {number}: idle jobs do not end")
            compare(counted, f"round {number}", aa1xr.quality(ds).compute, expected)
    return counted


def cancelled(store: Path, work: Path, rounds: int) -> Tally:
    """A pass in blocks, with jobs cancelled in its midst; a cluster replaces them."""
    with tally("jobs are cancelled in mid-pass (scancel)") as counted:
        ds = aa1xr.open(store, dt_ms=1, before_ms=500, chunks={"neuron": 1})
        lazy = {"quality": aa1xr.quality(ds), "PSTHs": ds.psth, "counts": ds.spikes.sum("time")}
        expected = {name: each.compute() for name, each in lazy.items()}
        dead = 0
        with (
            dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
            cluster(work) as (jobs, client),
        ):
            jobs.adapt(minimum_jobs=2, maximum_jobs=3)  # `scale` does not replace jobs
            for number in range(rounds):
                client.wait_for_workers(2, timeout=600)
                name = list(lazy)[number % len(lazy)]
                with _canceller(jobs, random.Random(number)) as cancelled_jobs:
                    compare(counted, f"{name}, round {number}", lazy[name].compute, expected[name])
                dead += len(cancelled_jobs)
        counted.figures = f"{dead} jobs cancelled while busy"
        if not dead:
            counted.failures.append("no job was busy")
    return counted


def _canceller(jobs: Any, rng: random.Random) -> AbstractContextManager[list[str]]:
    """Cancel a job, or two, each when its worker is busy."""

    def busy() -> list[str]:
        workers = list(jobs.scheduler.workers.values())
        found = [jobs.workers.get(worker.name) for worker in workers if worker.processing]
        return [each.job_id for each in found if each is not None]

    return killing(busy, slurm_node.cancel, rng, most=2, first_s=1)


def spilled(store: Path, work: Path) -> Tally:
    """Counts held by one job of 1 GB, which writes what it cannot hold to its disk."""
    with tally("a job of 1 GB that holds more, and spills") as counted:
        ds = aa1xr.open(store, dt_ms=1 / 32, before_ms=1000, after_ms=500, chunks={"neuron": 1})
        spikes = ds.spikes
        expected = {
            "counts": spikes.sum("time").compute(scheduler="synchronous"),
            "PSTHs": spikes.isel(stimulus=0).mean("trial").compute(scheduler="synchronous"),
        }
        with cluster(work, memory="1GB") as (jobs, client):
            jobs.scale(jobs=1)
            client.wait_for_workers(1, timeout=600)
            from dask.distributed import wait

            held = spikes.persist()
            wait(held)
            compare(counted, "counts", held.sum("time").compute, expected["counts"])
            compare(counted, "PSTHs", held.isel(stimulus=0).mean("trial").compute,
                    expected["PSTHs"])  # fmt: skip
            on_disk = sum(client.run(_bytes_on_disk).values())
            counted.figures = (
                f"{spikes.nbytes / 1e9:.2f} GB held, of which {on_disk / 1e9:.2f} GB on disk"
            )
            if not on_disk:
                counted.failures.append("nothing was spilled")
    return counted


def _bytes_on_disk(dask_worker: Any) -> int:
    return dask_worker.data.spilled_total.disk


# The command line


def aa1xr_command(words: list[str]) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "aa1xr", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"aa1xr {' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


def on_scheduler(store: Path, work: Path, local: Path) -> Tally:
    """`aa1xr benchmark --scheduler`, of a cluster that has no job yet."""
    out = work / "on-scheduler"
    with tally("aa1xr benchmark --scheduler, from no job") as counted:
        with cluster(work) as (jobs, _):
            jobs.adapt(minimum=0, maximum=3)
            words = ["benchmark", str(store), "--protocol", PROTOCOL, "--out", str(out)]
            aa1xr_command([*words, "--scheduler", jobs.scheduler_address, "--wait", "600"])
        compare_units(counted, out, local)
    return counted


def script(folder: Path) -> Tally:
    """The script that computes in jobs, which is itself a job."""
    with tally("the script compute.sh of the guide") as counted:
        submit(folder, "sbatch", "--wait", "compute.sh")
        ds = aa1xr.open(folder / "aa1.zarr", dt_ms=5)
        expected = aa1xr.quality(ds).compute(scheduler="threads")
        compare(counted, "quality", aa1xr.load(folder / "quality.zarr").compute, expected)
    return counted


def arrays(folder: Path, local: Path, table: str, rounds: int) -> Iterator[Tally]:
    """The scripts with arrays: each task does one split of one area."""
    out = folder / "results"
    with tally("the scripts array.sh and collect.sh of the guide") as counted:
        submit(folder, "bash", "submit.sh")
        slurm_node.wait_for_jobs()
        compare_units(counted, out, local)
        collected = (folder / "table.log").read_text()
        if _without_times(collected) == _without_times(table):
            counted.right += 1
        else:
            counted.failures.append(f"the table differs: {collected[-3000:]}")
        counted.figures = f"{2 * SPLITS} tasks, up to 8 at once"
    yield counted
    with tally("arrays that are cancelled, and submitted again") as counted:
        dead = 0
        for number in range(rounds):
            shutil.rmtree(out)
            rng = random.Random(number)
            for area in ("MLd", "Field_L"):
                submit(folder, "sbatch", "array.sh", area)
            while _finished(out) < rng.randrange(1, 2 * SPLITS) and slurm_node.jobs():
                time.sleep(0.05)
            left = slurm_node.jobs()
            dead += sum(state == "RUNNING" for state in left.values())
            for job in {job.partition("_")[0] for job in left}:
                slurm_node.cancel(job)
            slurm_node.wait_for_jobs(60)
            submit(folder, "bash", "submit.sh")
            slurm_node.wait_for_jobs()
            compare_units(counted, out, local)
        counted.figures = f"{dead} tasks cancelled while they ran"
    yield counted


def on_gpu(folder: Path, work: Path) -> Tally:
    """The script for a GPU; where there is none, it says so and computes without one."""
    with tally("the script gpu.sh of the guide") as counted:
        if find_spec("torch") is None:
            counted.figures = "skipped: needs torch"
            return counted
        submit(folder, "sbatch", "--wait", "--array=0", "gpu.sh")
        (log,) = folder.glob("gpu-*.log")
        found = log.read_text().partition("\n")[0]
        counted.figures = f"torch.cuda.is_available(): {found}"
        scores = benchmark.read_scores(folder / "results-gpu")
        ok = (scores["cc_norm"] > 0.3).all() and len(scores) == 2
        if ok:
            counted.right += 1
        else:
            counted.failures.append(f"{scores}")
    return counted


def submit(folder: Path, *command: str) -> None:
    """Run a command in the folder of the user."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        logs = [path.read_text()[-1500:] for path in sorted(folder.glob("*.log"))]
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr} {logs}")


# Comparisons


def compare(counted: Tally, what: str, there: Callable[[], Any], expected: Any) -> None:
    """Count a result as right if it is identical to the expected one."""
    try:
        xr.testing.assert_identical(there(), expected)
    except Exception as error:  # noqa: BLE001 - any is a failure
        counted.failures.append(f"{what}: {error!r}"[:1000])
    else:
        counted.right += 1


def compare_units(counted: Tally, out: Path, local: Path) -> None:
    """Each unit of a folder of results, but its time; and nothing else may be there."""
    names = [sorted(path.name for path in folder.iterdir()) for folder in (out, local)]
    if names[0] != names[1]:
        counted.failures.append(f"the folder has {names[0]}; expected {names[1]}")
        return
    for name in names[1]:
        if (local / name).is_dir():
            expected = aa1xr.load(local / name).compute().drop_vars("seconds")
            path = out / name
            compare(counted, name, lambda path=path: _without_seconds(path), expected)


def _without_seconds(unit: Path) -> xr.Dataset:
    return aa1xr.load(unit).compute().drop_vars("seconds")


def _without_times(table: str) -> list[list[str]]:
    """The cells of a table, but those of processor times."""
    rows = [re.split(r" *\| *", line) for line in table.splitlines() if line.startswith("| ")]
    column = rows[0].index("s a fit")
    return [row[:column] + row[column + 1 :] for row in rows]


def _finished(out: Path) -> int:
    return len([path for path in out.glob("*-0") if path.is_dir()])
