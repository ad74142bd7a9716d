#!/usr/bin/env bash
# Make an environment with deepSTRF 0.1.0 to measure against: peer-env.sh FOLDER [PYTHON]
# What it lacks of deepSTRF's requirements are the parts that the AA1 dataset never imports.
set -euo pipefail
folder=$1
"${2:-python3}" -m venv "$folder"
pip=("$folder/bin/pip" install --quiet)

# torch first, so that nothing else pulls a newer one.
"${pip[@]}" torch==2.13.0
"${pip[@]}" numpy scipy pandas matplotlib h5py soundfile requests platformdirs tqdm pyyaml
# einops and mambapy are what its models need.
"${pip[@]}" --no-deps torchaudio==2.11.0 deepSTRF==0.1.0 einops mambapy

# Built against another torch, these do not load, and torchaudio does without where they are missing.
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
mkdir -p "$folder/torchaudio-extensions"
mv "$site"/torchaudio/lib/*.so "$folder/torchaudio-extensions/"

"$folder/bin/python" -W ignore -c 'from deepSTRF.datasets.audio import CRCNSAA1Dataset'
echo "--peer-python $folder/bin/python"
