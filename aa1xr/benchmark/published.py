"""The networks of the published table, rebuilt from their description; need torch.

Rançon, Masquelier and Cottereau (2025), "Temporal recurrence as a general mechanism to explain
neural responses in the auditory system", Communications Biology 8:1456,
doi:10.1038/s42003-025-08858-3. Each has the published number of parameters with one output, the
CNNs with 34 bands. docs/guide/model-scores.md says what of them is known, and how surely.

All are made by `kind(n_freq, n_neurons, dt_ms=...)` and map spectrograms [shape: (batch, freq,
time)] to rates in spikes/s [shape: (batch, neuron, time)]. What is trained are spikes per bin. No
rate depends on later bins; in training, BatchNorm takes the mean over whole stimuli.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear, pad, silu, softplus

from aa1xr.benchmark.networks import Recurrence
from aa1xr.benchmark.training import Recipe
from aa1xr.dataset.spectrogram import COMPRESSIONS, expand
from aa1xr.typing import Floats

#: How they were trained: AdamW without decay at a constant rate, one stimulus at a time, squared
#: error of spike counts, stopped 50 epochs after the least error of the validation stimuli. The
#: limit of epochs is not known; it is not reached.
RECIPE = Recipe(
    n_epochs=1000,
    patience=50,
    learning_rate=1e-3,
    falling=False,
    weight_decay=0.0,
    batch_size=1,
    averaging=None,
    scaled=False,
    clipping=math.inf,
    criterion="loss",
)


#: Of a sine of amplitude 1: -160 dB. Windows of 10 ms of the recordings have -157 dB or more.
_LEAST = 1e-16


def with_log_power(ds: xr.Dataset) -> xr.Dataset:
    """A Dataset with log10 of the power as its `spectrogram`, from any compression of `aa1xr.open`.

    The power is that of frames as they are, of samples between -1 and 1, and not scaled. No power
    of the recordings is below `_LEAST`, which digital silence becomes; `compression="db"` has
    replaced what is below -80 dB. From dB this is a factor and a constant. Any other spectrogram
    remains as it is: one of another kind, one that was scaled or smoothed, log10 of the power.
    """
    sound = ds["spectrogram"]
    compression = sound.attrs.get("compression")
    other = sound.attrs.get("kind", "mel") != "mel" or "window_ms" not in sound.attrs
    if compression not in COMPRESSIONS or other or {"scaled", "smoothed"} & set(sound.attrs):
        return ds
    # The peak power of a sine of amplitude 1 under a Hann window of n samples: (n / 4) ** 2.
    resampled = sound.attrs.get("sample_rate")
    rate = float(ds["sample_rate"][0] if resampled is None else resampled)
    peak = (sound.attrs["window_ms"] * rate / 1000 / 4) ** 2

    def log_power(values: Floats) -> Floats:
        power = expand(values.astype(float), compression) * (peak if compression == "db" else 1)
        return np.asarray(np.log10(np.maximum(power, peak * _LEAST)), np.float32)

    attrs = sound.attrs | {"units": "1", "long_name": "log10 of the power"}
    attrs["silence"] = float(log_power(np.array(attrs["silence"])))
    del attrs["compression"]  # log10 is not one of COMPRESSIONS
    return ds.assign(spectrogram=(sound.dims, log_power(sound.values), attrs))


class _StateNet(nn.Module):  # type: ignore[misc]
    """Filters of each bin that differ from band to band, a layer with states, the read-out.

    Seven filters of seven bands at every third band, of which BatchNorm takes the mean over bins
    and bands, and a sigmoid; as many states as there are filters; a linear read-out.
    """

    _CHANNELS, _KERNEL, _STRIDE = 7, 7, 3

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__()
        n_bands = (n_freq - self._KERNEL) // self._STRIDE + 1
        self.bins_per_s = 1000 / dt_ms
        self.filters = nn.Parameter(torch.rand(self._CHANNELS, n_bands, self._KERNEL))
        self.offsets = nn.Parameter(torch.rand(self._CHANNELS, 1, n_bands))
        self.norm = nn.BatchNorm1d(self._CHANNELS)
        self.n_states = self._CHANNELS * n_bands
        self.read_out = nn.Linear(self.n_states, n_neurons)

    def states(self, found: Tensor) -> Tensor:
        """From (batch, time, n_states) to the same."""
        raise NotImplementedError

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Rates in the bins of the spectrograms."""
        bands = spectrogram.unfold(1, self._KERNEL, self._STRIDE)
        found = torch.einsum("bltk,clk->bctl", bands, self.filters) + self.offsets
        found = self.norm(found.flatten(2)).view_as(found).sigmoid()
        counts = self.read_out(self.states(found.transpose(1, 2).flatten(2)))
        return counts.transpose(1, 2) * self.bins_per_s


class StateNetGRU(_StateNet):
    """StateNet with a gated recurrent layer: 24,774 parameters with one output."""

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__(n_freq, n_neurons, dt_ms=dt_ms)
        self.recurrent = nn.GRU(self.n_states, self.n_states, batch_first=True)

    def states(self, found: Tensor) -> Tensor:
        """The states of the recurrent layer."""
        if found.is_cuda or not self.training:
            return self.recurrent(found)[0]
        inputs, weights, biases = (
            getattr(self.recurrent, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_hh")
        )
        driven = linear(found, inputs, self.recurrent.bias_ih_l0)
        return _Gates.apply(driven.transpose(0, 1), weights, biases).transpose(0, 1)


class _Gates(torch.autograd.Function):  # type: ignore[misc]
    """The states of torch.nn.GRU from its driven gates [shape: (time, batch, 3 * n_states)].

    With its own gradient: for one stimulus, autograd's takes four times as long.
    """

    @staticmethod
    def forward(ctx: Any, driven: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
        """The states. [shape: (time, batch, n_states)]."""
        n_bins, n_batch, n_states = len(driven), driven.shape[1], len(biases) // 3
        states = driven.new_zeros(n_bins + 1, n_batch, n_states)
        recurrent = torch.empty_like(driven, memory_format=torch.contiguous_format)
        gates = recurrent.clone()  # reset, update, and the new state
        transposed = weights.T.contiguous()
        both, new = slice(2 * n_states), slice(2 * n_states, None)
        views = [states[:-1], states[1:], recurrent]
        views += [part[..., both] for part in (driven, recurrent, gates)]
        views += [part[..., new] for part in (driven, recurrent, gates)]
        views += gates[..., both].chunk(2, -1)
        for (
            before,
            after,
            back,
            come_both,
            back_both,
            gate,
            come_new,
            back_new,
            new,
            reset,
            update,
        ) in zip(*(view.unbind() for view in views), strict=True):
            torch.addmm(biases, before, transposed, out=back)
            torch.add(come_both, back_both, out=gate).sigmoid_()
            torch.addcmul(come_new, reset, back_new, out=new).tanh_()
            torch.lerp(new, before, update, out=after)
        ctx.save_for_backward(weights, states, recurrent[..., 2 * n_states :], gates)
        return states[1:]

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of the driven gates, the weights and the biases."""
        weights, states, back_new, gates = ctx.saved_tensors
        reset, update, new = gates.chunk(3, -1)
        # What a change of the state is worth to what enters each gate, for all bins together.
        of_new = (1 - update) * (1 - new**2)
        of_reset = of_new * back_new * reset * (1 - reset)
        of_update = (states[:-1] - new) * update * (1 - update)
        worth = torch.stack([of_reset, of_update, of_new * reset], 2)
        total = gradient.clone(memory_format=torch.contiguous_format)
        to_gates = torch.empty_like(worth)
        views = (total[:-1], total[1:], worth[1:], to_gates[1:], update[1:])
        steps = zip(*(view.unbind()[::-1] for view in views), strict=True)
        for before, after, each, to_gate, kept in steps:
            torch.mul(after.unsqueeze(1), each, out=to_gate)
            before.addcmul_(after, kept).addmm_(to_gate.flatten(1), weights)
        torch.mul(total[0].unsqueeze(1), worth[0], out=to_gates[0])
        to_gates = to_gates.flatten(2)
        of_weights = torch.einsum("tbg,tbs->gs", to_gates, states[:-1])
        driven = torch.cat([to_gates[..., : -new.shape[-1]], total * of_new], -1)
        return driven, of_weights, to_gates.sum((0, 1))


class StateNetMamba(_StateNet):
    """StateNet with a selective state space: 32,334 parameters with one output."""

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__(n_freq, n_neurons, dt_ms=dt_ms)
        self.recurrent = _Mamba(self.n_states)

    def states(self, found: Tensor) -> Tensor:
        """The output of the state space, without a shortcut."""
        return self.recurrent(found)


class _Mamba(nn.Module):  # type: ignore[misc]
    """A selective state space (Gu and Dao 2023, arXiv:2312.00752, section 3).

    From (batch, time, n_features) to the same, with the defaults of the paper: twice as many
    channels inside, 16 states in each, a filter of four bins, first steps between 0.001 and 0.1.
    """

    _STATES, _TAPS = 16, 4

    def __init__(self, n_features: int) -> None:
        super().__init__()
        n_inner = 2 * n_features
        self.rank = math.ceil(n_features / 16)
        self.enter = nn.Linear(n_features, 2 * n_inner, bias=False)
        self.filter = nn.Conv1d(n_inner, n_inner, self._TAPS, groups=n_inner)
        self.select = nn.Linear(n_inner, self.rank + 2 * self._STATES, bias=False)
        self.step = nn.Linear(self.rank, n_inner)
        rates = torch.arange(1.0, self._STATES + 1)
        self.log_rates = nn.Parameter(rates.log().repeat(n_inner, 1))
        self.direct = nn.Parameter(torch.ones(n_inner))
        self.leave = nn.Linear(n_inner, n_features, bias=False)
        nn.init.uniform_(self.step.weight, -(self.rank**-0.5), self.rank**-0.5)
        steps = torch.empty(n_inner).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        with torch.no_grad():  # the inverse of softplus
            self.step.bias.copy_(steps.expm1().log())

    def forward(self, found: Tensor) -> Tensor:
        """The output at each bin, of this bin and those before."""
        inner, gate = self.enter(found).chunk(2, -1)
        inner = silu(self.filter(pad(inner.transpose(1, 2), (self._TAPS - 1, 0))).transpose(1, 2))
        sizes = [self.rank, self._STATES, self._STATES]
        step, write, read = self.select(inner).split(sizes, -1)
        step = softplus(self.step(step))
        decay = torch.exp(-step.unsqueeze(-1) * self.log_rates.exp())
        drive = (step * inner).unsqueeze(-1) * write.unsqueeze(-2)
        states = Recurrence.apply(decay.transpose(0, 1), drive.transpose(0, 1)).transpose(0, 1)
        output = (states @ read.unsqueeze(-1)).squeeze(-1) + self.direct * inner
        return self.leave(output * silu(gate))


class Transformer2025(nn.Module):  # type: ignore[misc]
    """Attention among a bin and the 40 before it: 29,109 parameters with one output.

    The bins are embedded in 48 dimensions, a learned vector is added for each lag, and two layers
    with one head follow, anew for each bin; their mean over lags is read out. Before the onset the
    spectrogram is taken as zero.
    """

    _WIDTH, _BINS = 48, 41

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__()
        self.bins_per_s = 1000 / dt_ms
        self.embed = nn.Linear(n_freq, self._WIDTH)
        self.positions = nn.Parameter(torch.rand(self._BINS, self._WIDTH))
        layer = nn.TransformerEncoderLayer(self._WIDTH, 1, 32, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.read_out = nn.Linear(self._WIDTH, n_neurons)
        self.output = _DoubleExponential(n_neurons)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Rates in the bins of the spectrograms."""
        n_batch, _, n_bins = spectrogram.shape
        embedded = self.embed(pad(spectrogram, (self._BINS - 1, 0)).transpose(1, 2))
        windows = embedded.unfold(1, self._BINS, 1).flatten(0, 1).transpose(1, 2)
        found = self.layers(windows + self.positions).mean(1).view(n_batch, n_bins, -1)
        return self.output(self.read_out(found)).transpose(1, 2) * self.bins_per_s


class _CNN2025(nn.Module):  # type: ignore[misc]
    """Three convolutions over frequency and time, and a hidden layer.

    Ten filters of three bands in each, of which BatchNorm takes the mean over bands and bins; 75
    hidden units. Before the onset the spectrogram is taken as zero. With 34 bands, which is the
    default of the class of the authors, it has the published number of parameters.
    """

    _CHANNELS, _BANDS, _HIDDEN = 10, 3, 75
    _BINS: int  #: of a filter

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__()
        self.bins_per_s = 1000 / dt_ms
        inputs, kernel = (1, self._CHANNELS, self._CHANNELS), (self._BANDS, self._BINS)
        self.filters = nn.ModuleList(nn.Conv2d(n, self._CHANNELS, kernel) for n in inputs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(self._CHANNELS) for _ in inputs)
        n_bands = n_freq - 3 * (self._BANDS - 1)
        self.hidden = nn.Linear(self._CHANNELS * n_bands, self._HIDDEN)
        self.read_out = nn.Linear(self._HIDDEN, n_neurons)
        self.output = _DoubleExponential(n_neurons)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Rates in the bins of the spectrograms."""
        found = pad(spectrogram, (3 * (self._BINS - 1), 0)).unsqueeze(1)
        for filters, norm in zip(self.filters, self.norms, strict=True):
            found = leaky_relu(norm(filters(found)), 0.1)
        hidden = leaky_relu(self.hidden(found.flatten(1, 2).transpose(1, 2)), 0.1)
        return self.output(self.read_out(hidden)).transpose(1, 2) * self.bins_per_s


class CNN2025FieldL(_CNN2025):
    """The 2D-CNN of Field L: filters of 9 bins, 26,915 parameters with 34 bands, 25,415 with 32."""

    _BINS = 9


class CNN2025MLd(_CNN2025):
    """The 2D-CNN of MLd: filters of 21 bins, 34,475 parameters with 34 bands, 32,975 with 32."""

    _BINS = 21


class _DoubleExponential(nn.Module):  # type: ignore[misc]
    """b + a exp(-exp(k x - s)) for each neuron (Thorson et al. 2015).

    PLOS Computational Biology, doi:10.1371/journal.pcbi.1004628. All four may have any sign. With
    `a` and `b` kept above 0 by a softplus, most neurons end at a constant rate: they start far
    above the few spikes in a bin, and what brings the rate down saturates the exponential.
    """

    def __init__(self, n_neurons: int) -> None:
        super().__init__()
        of_neuron = torch.empty(n_neurons)
        self.gain = nn.Parameter(of_neuron.clone().uniform_(-0.5, 0.5))
        self.threshold = nn.Parameter(of_neuron.clone().uniform_(0.5, 1.5))
        self.range = nn.Parameter(of_neuron.clone().uniform_(0.5, 1.5))
        self.baseline = nn.Parameter(of_neuron.clone().uniform_(0, 1))

    def forward(self, drive: Tensor) -> Tensor:
        """Of (..., neuron) to the same."""
        inner = torch.exp(-torch.exp(self.gain * drive - self.threshold))
        return self.range * inner + self.baseline
