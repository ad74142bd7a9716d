#!/bin/bash
#SBATCH --job-name=aa1xr
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=01:00:00
#SBATCH --output=compute.log

source env/bin/activate
python compute.py aa1.zarr quality.zarr
