"""What the measures share: counts of each neuron and stimulus in blocks, means, blocks of results.

Stimuli are combined in two ways. `weighted_mean` averages a quantity of each stimulus, computed
about the stimulus' own mean, weighted by number of bins; ratios, roots and correlations are taken
last, of these averages. `aa1xr.analysis.concatenated` takes all stimuli as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, messages, schema
from aa1xr.analysis import trial_checks
from aa1xr.errors import UndefinedWarning, UnitsWarning
from aa1xr.typing import Bools, Floats, Ints

_DIMS = schema.VARIABLES["spikes"].dims
#: Which bins measures count: see `bins_during`.
During = Literal["stimulus", "all"]

#: Counts in one block, if they do not come in blocks already.
_BLOCK = 32 * 2**20


@dataclass(frozen=True, eq=False)
class CompleteCounts:
    """Counts in which nothing is missing, and what they are counts of."""

    #: [shape: (neuron, stimulus, trial, time)]; 0 where `used` or `presented` is not
    counts: Floats
    presented: Bools  #: [shape: (neuron, stimulus, trial)]
    used: Bools  #: [shape: (neuron, stimulus, time)] bins that all trials have

    @property
    def n_trials(self) -> Ints:
        """Trials that were presented. [shape: (neuron, stimulus)]."""
        return np.asarray(self.presented.sum(2))

    @property
    def n_bins(self) -> Ints:
        """Bins; none of a stimulus that was not presented. [shape: (neuron, stimulus)]."""
        return np.asarray(self.used.sum(2) * self.presented.any(2))


def drop_incomplete(counts: Floats, inside: Bools) -> CompleteCounts:
    """Keep the trials that were presented, and the bins which all of them have.

    `counts` are NaN where there are none [shape: (neuron, stimulus, trial, time)]; `inside` are the
    bins wanted, and broadcasts to [shape: (neuron, stimulus, time)].
    """
    there = ~np.isnan(counts)
    there &= np.broadcast_to(inside, counts[:, :, 0].shape)[:, :, np.newaxis]
    presented = np.asarray(there.any(3))
    used = np.asarray((there | ~presented[..., np.newaxis]).all(2) & inside)
    there &= used[:, :, np.newaxis]
    return CompleteCounts(np.where(there, counts, np.float32(0)), presented, used)


def weighted_mean(values: Floats, n_bins: Ints) -> Floats:
    """Average over stimuli by their number of bins; NaN where there are none.

    [shape: (neuron, stimulus, ...) and (neuron, stimulus) -> (neuron, 1, ...)].
    """
    weights = n_bins.reshape(n_bins.shape + (1,) * (values.ndim - 2)).astype(np.float64)
    total = np.where(weights > 0, weights * values, 0).sum(1, keepdims=True)
    return np.asarray(total / positive_or_nan(weights.sum(1, keepdims=True)))


def positive_or_nan(values: Floats | Ints) -> Floats:
    """The values as something to divide by: NaN where there are none."""
    return np.where(values > 0, values, np.nan)


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where the denominator is not positive."""
    return np.asarray(numerator / positive_or_nan(denominator))


def bins_during(ds: xr.Dataset | xr.DataArray, during: During) -> Bools:
    """The bins that a measure counts, by `during` of `aa1xr.score`. [shape: (stimulus, time)]."""
    arguments.choice("during", during, ("stimulus", "all"))
    time = np.atleast_1d(ds["time"].values)
    if during == "all":
        n_stimuli = ds.sizes.get("stimulus", 1)
        return np.ones((n_stimuli, time.size), bool)
    if "duration_s" not in ds.coords:
        raise ValueError(
            "the data must have the coordinate 'duration_s', which says when each stimulus ends; "
            "select without dropping it, or, where a function has the argument during, count every "
            "bin with during='all'"
        )
    duration = np.atleast_1d(ds["duration_s"].values)[:, np.newaxis]
    # Edges are whole numbers of audio samples: rounding is far less than half a sample.
    edge = 1e-7
    return np.asarray((time > -edge) & (time < duration - edge))


def spikes(ds: xr.Dataset) -> xr.DataArray:
    """`ds.spikes` with all its dimensions, in dask blocks of whole neurons, without coordinates.

    Coordinates are left out so that nothing aligns by them: `labelled` puts them back.
    """
    spikes = trial_checks.checked_spikes(ds)
    present = [dim for dim in ("neuron", "stimulus", "trial") if dim in ds["spikes"].dims]
    schema.check_dims("'spikes'", spikes, "time", *present)
    _check_grid(ds)
    counts = xr.DataArray(spikes.variable)
    counts = counts.expand_dims([dim for dim in _DIMS if dim not in counts.dims]).transpose(*_DIMS)
    if counts.chunks is None:
        per_neuron = counts.dtype.itemsize * int(np.prod(counts.shape[1:]))
        return counts.chunk(neuron=max(1, _BLOCK // max(1, per_neuron)))
    return counts.chunk(dict.fromkeys(_DIMS[1:], -1))


def _check_grid(ds: xr.Dataset) -> None:
    """Refuse a time axis whose bins do not begin a whole number of bins from stimulus onset."""
    width = schema.bin_width_ms(ds)
    bins = 1000 * np.atleast_1d(ds["time"].values) / width
    off = bins - np.round(bins)
    if (np.abs(off) > 1e-3).any():
        shift = width * off[np.abs(off).argmax()]
        raise ValueError(
            f"time must be in bins of {width:g} ms counted from stimulus onset; it is shifted by "
            f"{shift:g} ms, so bins and stimuli do not match: undo the shift, or open the data "
            "with a dt_ms that divides it"
        )


#: For each measure, where a reason applies, the first that does counts: (mask, name of reason).
Reasons = Mapping[str, Sequence[tuple[Bools, str]]]


def with_reasons(
    values: Mapping[str, Floats], reasons: Reasons, texts: Mapping[str, str]
) -> Floats:
    """Measures of a block, then for each the number of its reason, 0 where there is none.

    [shape: (neuron, 1 or stimulus) each -> (neuron, 1 or stimulus, 2 * measure)]. `texts` are those
    of `map_blocks`.
    """
    numbers = {reason: number for number, reason in enumerate(texts, 1)}
    codes = []
    for name, array in values.items():
        code = np.zeros(array.shape)
        for mask, reason in reversed(reasons.get(name, ())):
            code[np.broadcast_to(mask, code.shape)] = numbers[reason]
        codes.append(code)
    return np.stack([*values.values(), *codes], -1)


def map_blocks(
    function: Callable[..., Floats],
    *arrays: xr.DataArray,
    names: tuple[str, ...],
    of: xr.Dataset,
    by: str = "neuron",
    options: Mapping[str, Any],
    texts: Mapping[str, str],
    caller: str,
) -> dict[str, xr.DataArray]:
    """Call a function for each block of neurons when the result is computed.

    It takes blocks of `arrays`, and `options`, and returns what `with_reasons` gives for the
    measures `names`, `by` neuron or stimulus. For measures that are computed, `caller` says why in
    the words of `texts`, in which `{names}` is where the neurons, those of `of`, are named.
    """
    dim = "stimulus" if by == "stimulus" else "one"
    stacked = xr.apply_ufunc(
        function,
        *arrays,
        kwargs=dict(options),
        input_core_dims=[[d for d in array.dims if d != "neuron"] for array in arrays],
        output_core_dims=[[dim, "measure"]],
        exclude_dims={"stimulus"},
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": {
                dim: arrays[0].sizes["stimulus"] if by == "stimulus" else 1,
                "measure": 2 * len(names),
            }
        },
    )
    cells = neuron_names(of, arrays[0]).data[:, np.newaxis, np.newaxis]
    said = {"texts": dict(texts), "caller": caller, "site": messages.call_site()}
    out = {}
    for which, name in enumerate(names):
        measure = da.map_blocks(  # type: ignore[no-untyped-call]
            _pick,
            stacked.data,
            cells,
            which=which,
            n_measures=len(names),
            **said,
            squeeze=dim == "one",
            dtype=np.float64,
            drop_axis=[1, 2] if dim == "one" else [2],
            meta=np.empty((0,) * (1 if dim == "one" else 2)),
        )
        out[name] = xr.DataArray(measure, dims=("neuron", dim)[: measure.ndim])
    return out


def neuron_names(ds: xr.Dataset, like: xr.DataArray) -> xr.DataArray:
    """Names for messages, or positions, in the blocks of an array. [shape: (neuron,)]."""
    if "neuron" in ds.coords:
        names = schema.fixed_width(np.atleast_1d(ds["neuron"].values))
    else:
        names = np.arange(like.sizes["neuron"]).astype(str)
    return xr.DataArray(names, dims="neuron").chunk(neuron=like.chunksizes["neuron"])


def _pick(
    stacked: Floats,
    cells: npt.NDArray[np.str_],
    *,
    which: int,
    n_measures: int,
    texts: Mapping[str, str],
    caller: str,
    site: messages.CallSite,
    squeeze: bool,
) -> Floats:
    """One measure of a block; say the reasons that apply to it."""
    codes = stacked[..., n_measures + which]
    for number, (reason, text) in enumerate(texts.items(), 1):
        if (concerned := (codes == number).any(1)).any():
            named = messages.count_names(cells[concerned, 0, 0].tolist())
            category = UnitsWarning if reason == "units" else UndefinedWarning
            messages.warn(f"{caller}: {text.format(names=named)}", category, site)
    picked = stacked[..., which]
    return picked[:, 0] if squeeze else picked


def labelled(
    ds: xr.Dataset, arrays: Mapping[str, xr.DataArray], specs: Mapping[str, schema.Spec]
) -> xr.Dataset:
    """The arrays as a Dataset, with the labels of `ds` along their dimensions."""
    for dim in ("neuron", "stimulus"):
        if dim not in ds.dims:  # one was selected, and so its dimension went
            arrays = {n: a.isel({dim: 0}) if dim in a.dims else a for n, a in arrays.items()}
    dims = {dim for array in arrays.values() for dim in array.dims}
    out = xr.Dataset(coords=ds.coords)
    out = out.drop_dims([dim for dim in out.dims if dim not in dims])
    # Measures of `with_quality` are replaced.
    out = out.drop_vars([name for name in arrays if name in out.coords])
    return out.assign({name: (a.dims, a.data, specs[name].attrs) for name, a in arrays.items()})
