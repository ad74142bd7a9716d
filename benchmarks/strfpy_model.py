"""The direct fit of strfPy, the package of the laboratory that recorded AA1, as a model.

strfPy is no dependency, and not on PyPI: clone https://github.com/theunissenlab/strfPy, and give
its folder `module` as PYTHONPATH.

aa1xr benchmark crcns-aa1.zip --protocol rancon2025 --model benchmarks.strfpy_model:strfpy
python -m benchmarks.strfpy_model crcns-aa1.zip --out results   # with the spectrogram of strfPy

strfPy changes the working directory, and this module some functions of NumPy and SciPy while strfPy
runs: fits run one after the other, or in other processes, not in threads.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import tempfile
from typing import Any
from unittest import mock

import numpy as np
import xarray as xr

import aa1xr
from aa1xr import schema
from aa1xr.analysis.split import Split
from aa1xr.benchmark import PROTOCOLS, run, table
from aa1xr.benchmark.models import as_prediction
from aa1xr.typing import Floats

#: How far back the STRF reaches: that of the notebook of strfPy for songs, `strfpy_est.ipynb`.
LAGS_MS = 75
#: Below the largest level of all stimuli, in dB: `preprocSound.preprocess_sound`.
RANGE_DB = 80.0


def strfpy(
    known: xr.Dataset, split: Split, sounds: xr.Dataset, *, transposed: bool = False
) -> xr.DataArray:
    """A linear STRF, with the defaults of strfPy, rectified as its notebooks do.

    The tolerance (ridge penalty) and the sparseness of each neuron maximise the information between
    the responses to the training and validation songs and the predictions from jackknifed STRFs.
    """
    rates = known["psth"].transpose("neuron", "stimulus", "time").values
    songs, to_predict = _levels(known, known), _levels(sounds, known)
    shared: dict[Any, Any] = {}
    out = np.full((len(rates), *to_predict.shape[:2]), np.nan)
    for neuron, rate in enumerate(rates):
        presented = ~np.isnan(rate)
        heard = np.flatnonzero(presented.any(1))
        if heard.size:
            fit = direct_fit(
                [songs[k][presented[k]] for k in heard],
                [rate[k][presented[k]] for k in heard],
                dt_ms=schema.bin_width_ms(known),
                shared=shared.setdefault(presented.tobytes(), {}),
                transposed=transposed,
            )
            out[neuron] = [predict(fit, song) for song in to_predict]
    return as_prediction(out, known, sounds)


def strfpy_transposed(known: xr.Dataset, split: Split, sounds: xr.Dataset) -> xr.DataArray:
    """The model `strfpy` with the autocorrelation as the MATLAB original of strfPy has it.

    With `C[i, j](lag)` the mean of `s_i(t + lag) s_j(t)`, the normal equations of a filter need
    `C[j, i]` in row i. strfPy at 07ccbb6 has `C[i, j]` there: the lags between bands are reversed.
    """
    return strfpy(known, split, sounds, transposed=True)


def _levels(ds: xr.Dataset, known: xr.Dataset) -> Floats:
    """The spectrogram; dB as strfPy has them, from 0 up. [shape: (stimulus, time, freq)]."""
    sound, loudest = ds["spectrogram"], known["spectrogram"].max()
    if sound.attrs.get("kind") == "gaussian":
        sound = (sound - loudest + RANGE_DB).clip(min=0)
    return sound.transpose("stimulus", "time", "freq").values.astype(float)


def direct_fit(
    songs: list[Floats],
    rates: list[Floats],
    *,
    dt_ms: float,
    shared: dict[Any, Any],
    transposed: bool = False,
) -> dict[str, Any]:
    """The trained model of strfPy for one neuron.

    `shared` keeps what depends on the songs alone, for the next neuron: the autocorrelation, the
    singular value decompositions, which strfPy computes again for each neuron and tolerance, and
    the tapers of its coherence. Its files are not compressed.
    """
    from scipy.signal import windows

    try:
        from strfpy import DirectFit, strfSetup, trnDirectFit
    except ImportError as error:
        raise ImportError(
            f"{error}; clone https://github.com/theunissenlab/strfPy and add its folder 'module' "
            "to PYTHONPATH"
        ) from error

    autocorrelation, svd = DirectFit.df_cal_AutoCorrJN, np.linalg.svd
    tapers = shared.setdefault("tapers", functools.cache(windows.dpss))

    def autocorrelation_once(*args: Any) -> Any:
        if "autocorrelation" not in shared:
            of_all, jackknifed = autocorrelation(*args)
            lags = slice(None, None, -1 if transposed else 1)
            shared["autocorrelation"] = of_all[:, lags], [each[:, lags] for each in jackknifed]
        return shared["autocorrelation"]

    def svd_once(matrix: Floats) -> Any:
        key = hashlib.blake2b(matrix.tobytes()).digest()
        if key not in shared:
            shared[key] = svd(matrix)
        return shared[key]

    stimulus, rate = np.concatenate(songs), np.concatenate(rates).astype(float)
    song = np.repeat(np.arange(len(songs)), [len(each) for each in songs])
    data = strfSetup.strfData(stimulus, rate, np.ones(rate.size), song)
    model = strfSetup.linInit(stimulus.shape[1], np.arange(round(LAGS_MS / dt_ms)))
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir("."),  # strfPy changes to its folder, and stays there
        contextlib.redirect_stdout(io.StringIO()),
        mock.patch.object(DirectFit, "df_cal_AutoCorrJN", autocorrelation_once),
        mock.patch.object(np.linalg, "svd", svd_once),
        mock.patch.object(windows, "dpss", tapers),
        mock.patch.object(np, "savez_compressed", np.savez),
    ):
        model |= {"ampsamprate": 1000 / dt_ms, "outputPath": folder}
        return trnDirectFit.trnDirectFit(model, data)[0]


def predict(model: dict[str, Any], song: Floats) -> Floats:
    """The rate, as the cross-validation of strfPy computes it. [shape: (time,)]."""
    from strfpy.trnDirectFit import conv_strf

    one_song = np.ones((1, len(song)))
    rate = conv_strf(song - model["stimAvg"], model["delays"], model["w1"], one_song)[0]
    return np.maximum(rate + model["b1"], 0)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strfpy_model")
    parser.add_argument("archive")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="rancon2025")
    parser.add_argument("--out")
    parser.add_argument("--model", default="benchmarks.strfpy_model:strfpy")
    args = parser.parse_args(arguments)
    ds = aa1xr.open(args.archive, **PROTOCOLS[args.protocol].options)
    ds = aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, "gaussian", floor_db=-200))
    print(table([run(ds, args.protocol, args.model, path=args.out)]))


if __name__ == "__main__":
    main()
