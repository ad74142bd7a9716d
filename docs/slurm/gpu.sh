#!/bin/bash
#SBATCH --job-name=aa1xr-gpu
#SBATCH --array=0-2
#SBATCH --gpus=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --output=gpu-%A-%a.log

source env/bin/activate
python -c 'import torch; print(torch.cuda.is_available())'
aa1xr benchmark aa1.zarr --protocol rancon2025 --model gru --seeds "$SLURM_ARRAY_TASK_ID" \
    --out results-gpu
