#!/bin/bash
#SBATCH --job-name=aa1xr-table
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=01:00:00
#SBATCH --output=table.log

source env/bin/activate
aa1xr benchmark aa1.zarr --protocol cv10 --model ridge --out results
