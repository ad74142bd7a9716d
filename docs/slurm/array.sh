#!/bin/bash
#SBATCH --job-name=aa1xr-cv10
#SBATCH --array=0-9
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=01:00:00
#SBATCH --output=array-%A-%a.log

source env/bin/activate
export DASK_NUM_WORKERS=$SLURM_CPUS_PER_TASK
aa1xr benchmark aa1.zarr --protocol cv10 --model ridge --area "$1" \
    --split "$SLURM_ARRAY_TASK_ID" --out results
