"""Compute the quality of each neuron in jobs of SLURM: python compute.py STORE RESULT."""

import sys
import warnings

from dask.distributed import Client
from dask_jobqueue import SLURMCluster

import aa1xr


def main(store: str, result: str) -> None:
    """Compute in jobs, and save the result."""
    cluster = SLURMCluster(
        cores=1,  # one job is one worker with one thread
        memory="2GB",  # for each job
        walltime="01:00:00",
        local_directory="/tmp",  # a disk of the node, for blocks that do not fit into memory
        log_directory="logs",
        # queue="...", account="...",
    )
    with cluster, Client(cluster) as client:
        cluster.adapt(minimum_jobs=1, maximum_jobs=4)  # replaces jobs that end; scale does not
        client.wait_for_workers(1, timeout=3600)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # dask only warns of other versions
            client.get_versions(check=True, packages=["aa1xr", "xarray", "zarr"])
        ds = aa1xr.open(store, dt_ms=5, chunks={"neuron": 4})
        aa1xr.save(aa1xr.quality(ds), result)


if __name__ == "__main__":
    main(*sys.argv[1:])
