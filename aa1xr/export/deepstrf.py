"""Stimuli and responses as deepSTRF has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.export.optional import import_optional
from aa1xr.export.stimuli import Stimuli

if TYPE_CHECKING:
    import torch


class DeepSTRFLists(NamedTuple):
    """What a dataset of deepSTRF 0.1.0 consists of, by its attributes' names."""

    stims: list[torch.Tensor]
    responses: list[list[torch.Tensor]]
    stim_meta: list[dict[str, Any]]
    nrn_meta: list[dict[str, Any]]
    N_neurons: int
    F: int


def to_deepstrf(ds: xr.Dataset) -> DeepSTRFLists:
    """The lists of tensors that deepSTRF 0.1.0 works on.

    They make a dataset for its loaders, models, metrics and selections:

        peer = AudioNeuralDataset(path="", dt_ms=5)
        vars(peer).update(aa1xr.to_deepstrf(ds)._asdict())
        peer.validate()

    Everything is computed here; see `aa1xr.to_torch` for items computed one by one.

    Needs torch, the extra `torch`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one with axes of neurons and trials.

    Returns
    -------
    named tuple, by the names of the attributes of its datasets
        - `stims`: for each stimulus its spectrogram (1, F, T);
        - `responses`: for each stimulus and each neuron the counts (R, T) of the presentations
          selected, or (1, 1) NaN where there are none;
        - `stim_meta`, `nrn_meta`: the labels, and the ones that you added; `neuron` is called
          "cell_id" there, and a rig that is not known None;
        - `N_neurons`, and `F`, the number of frequency bands.

        T is that of the stimulus' window in `ds`. deepSTRF itself has one more where a sound is
        a whole number of bins long; it mirrors the sound at its ends, where here is silence.
        deepSTRF pads a batch with 0, which is silence unless `compression="db"` or the spectrogram
        was standardized.

    Raises
    ------
    ModuleNotFoundError
        If torch is not installed.
    ValueError
        If `ds` lacks a variable or an axis, or has a stimulus that none of its neurons heard.

    Examples
    --------
    >>> lists = aa1xr.to_deepstrf(aa1xr.open_sample())
    >>> tuple(lists.stims[0].shape), tuple(lists.responses[0][0].shape)
    ((1, 32, 433), (15, 433))
    >>> lists.nrn_meta[0]["area"], lists.N_neurons
    ('Field_L', 12)
    """
    stimuli = Stimuli(ds, "spikes")
    schema.check_dims("'spikes'", ds["spikes"], "neuron", "trial")
    torch = import_optional("torch", extra="torch")
    stims, responses = [], []
    for number in range(len(stimuli)):
        spectrogram, counts, _ = stimuli.read(number)
        stims.append(torch.from_numpy(spectrogram[np.newaxis]))
        there = np.asarray(~np.isnan(counts).all(2))
        nothing = np.full((1, 1), np.nan, np.float32)
        responses.append(
            [
                torch.from_numpy(trials[rows] if rows.any() else nothing)
                for trials, rows in zip(counts, there, strict=True)
            ]
        )
    nrn_meta = [
        {"cell_id": cell.pop("neuron"), **cell, "rig": cell["rig"] or None}
        for cell in _metadata(ds, "neuron")
    ]
    return DeepSTRFLists(
        stims, responses, _metadata(ds, "stimulus"), nrn_meta, len(nrn_meta), ds.sizes["freq"]
    )


def _metadata(ds: xr.Dataset, dim: str) -> list[dict[str, Any]]:
    """The labels of each element along `dim`."""
    labels = {str(name): c.values.tolist() for name, c in ds.coords.items() if c.dims == (dim,)}
    return [dict(zip(labels, values, strict=True)) for values in zip(*labels.values(), strict=True)]
