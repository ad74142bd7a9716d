"""Networks that predict the rates of all neurons of an area from the stimulus; need torch."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, silu, softplus

#: A step of the layers in between, in ms: shorter bins are taken several at a time.
_STEP_MS = 4
#: How far back filters of the sound reach, in ms.
_WINDOW_MS = 40
#: Silence before the first bin, in ms, for states to settle in.
_LEAD_MS = 120
#: How far back attention reaches, in ms.
_ATTENTION_MS = 240
#: Channels between the blocks of `Mamba` and `Transformer`.
_WIDTH = 64


def spread(values: Tensor) -> Tensor:
    """Standard deviations over time, without NaN; 1 where nothing varies. [shape: (n, 1)]."""
    about = values - values.nanmean(1, keepdim=True)
    scale = about.square().nanmean(1, keepdim=True).sqrt()
    return torch.where(scale > 1e-6, scale, 1)


class Network(nn.Module):  # type: ignore[misc]
    """From spectrograms [shape: (batch, freq, time)] to rates [shape: (batch, neuron, time)].

    A subclass gives features of the sound at every `step` bins, which know nothing later than
    the first of those. A linear read-out makes of them a neuron's drive in each of these bins, so
    that no rate depends on later bins; softplus makes it positive.

    The units of bands and rates, and the silence before the first bin, are part of the state: see
    `calibrate`. A spectrogram begins at onset or before it.
    """

    def __init__(self, n_freq: int, n_neurons: int, n_features: int, *, dt_ms: float) -> None:
        super().__init__()
        self.step = max(1, round(_STEP_MS / dt_ms))
        self.window = max(1, round(_WINDOW_MS / dt_ms))
        self.n_lead = round(_LEAD_MS / dt_ms / self.step)
        for name, size in (("band", n_freq), ("rate", n_neurons)):
            self.register_buffer(f"{name}_mean", torch.zeros(size, 1))
            self.register_buffer(f"{name}_scale", torch.ones(size, 1))
        self.register_buffer("silence", torch.zeros(n_freq, 1))
        self.dropout = nn.Dropout(0.3)
        self.read_out = nn.Linear(n_features, n_neurons * self.step)

    def features(self, sound: Tensor) -> Tensor:
        """From (batch, 1, freq, time) to (batch, steps, n_features)."""
        raise NotImplementedError

    def calibrate(self, spectrogram: Tensor, rates: Tensor, silence: Tensor | None = None) -> None:
        """Take units from training data, (freq, time) and (neuron, time) with NaN for none.

        `silence` (freq,) is the spectrogram where there is no sound; None for 0.
        """
        if silence is not None:
            self.silence.copy_(silence.unsqueeze(1))
        for name, values in (("band", spectrogram), ("rate", rates)):
            mean = values.nanmean(1, keepdim=True)
            getattr(self, f"{name}_mean").copy_(mean.nan_to_num(0))
            getattr(self, f"{name}_scale").copy_(spread(values))
        start = (self.rate_mean / self.rate_scale).clamp(1e-2, 20)
        with torch.no_grad():  # begin at the mean rates: the inverse of softplus
            self.read_out.bias.copy_(start.expm1().log().repeat_interleave(self.step))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Rates in the bins of the spectrograms."""
        n_bins = spectrogram.shape[-1]
        lead = self.silence.expand(len(spectrogram), -1, self.n_lead * self.step)
        sound = pad(torch.cat([lead, spectrogram], 2), (0, -n_bins % self.step))
        features = self.features(((sound - self.band_mean) / self.band_scale).unsqueeze(1))
        drive = self.read_out(self.dropout(features[:, self.n_lead :]))
        drive = drive.unflatten(-1, (-1, self.step)).permute(0, 2, 1, 3).flatten(2)
        return softplus(drive[..., :n_bins]) * self.rate_scale


class _Filtered(Network):
    """Spectro-temporal filters, and what a subclass makes of their output over time."""

    n_filters = 16
    n_bands, stride = 5, 1  #: bands that a filter spans, and from one filter to the next

    def __init__(self, n_freq: int, n_neurons: int, n_features: int, *, dt_ms: float) -> None:
        super().__init__(n_freq, n_neurons, n_features, dt_ms=dt_ms)
        size, stride = (self.n_bands, self.window), (self.stride, self.step)
        filters = _Filters(1, self.n_filters, size, stride)
        self.filters = nn.Sequential(filters, nn.Dropout(0.4))
        self.n_found = self.n_filters * -(-n_freq // self.stride)

    def found(self, sound: Tensor) -> Tensor:
        """What the filters find. [shape: (batch, steps, n_found)]."""
        return self.filters(sound).flatten(1, 2).transpose(1, 2)


class GRU(_Filtered):
    """Spectro-temporal filters, one gated recurrent layer, the read-out (as StateNet)."""

    n_states = 96

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__(n_freq, n_neurons, self.n_states, dt_ms=dt_ms)
        self.recurrent = nn.GRU(self.n_found, self.n_states, batch_first=True)

    def features(self, sound: Tensor) -> Tensor:
        """The states of the recurrent layer."""
        return self.recurrent(self.found(sound))[0]


class _Residual(_Filtered):
    """Spectro-temporal filters, blocks that each add to 64 channels, the read-out."""

    n_blocks = 1

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__(n_freq, n_neurons, _WIDTH, dt_ms=dt_ms)
        self.channels = nn.Identity() if self.n_found == _WIDTH else nn.Linear(self.n_found, _WIDTH)
        self.blocks = nn.Sequential(
            *(self.block(round(_ATTENTION_MS / dt_ms / self.step)) for _ in range(self.n_blocks))
        )
        self.norm = nn.LayerNorm(_WIDTH)

    def block(self, n_lags: int) -> nn.Module:
        """From (batch, steps, 64) to the same; `n_lags` is how far back attention reaches."""
        raise NotImplementedError

    def features(self, sound: Tensor) -> Tensor:
        """What the last block leaves, normalised."""
        return self.norm(self.blocks(self.channels(self.found(sound))))


class Mamba(_Residual):
    """Spectro-temporal filters, a block of selective states, the read-out.

    The block is that of Gu and Dao 2023, doi:10.48550/arXiv.2312.00752, figure 3.
    """

    def block(self, n_lags: int) -> nn.Module:  # noqa: ARG002 (states reach back without end)
        """States that choose, at each step, what they keep and what they take in."""
        return _SelectiveStates()


class Transformer(_Residual):
    """Spectro-temporal filters, two blocks of attention to the past 240 ms, the read-out.

    Normalised before each layer (Xiong et al. 2020, doi:10.48550/arXiv.2002.04745). Lags have a
    learned bias for each head instead of codes of positions.
    """

    n_blocks = 2

    def block(self, n_lags: int) -> nn.Module:
        """Attention, then two layers for each step by itself."""
        return _Attention(n_lags)


class _Small:
    """Half the filters, at every fourth band: the sizes of published networks."""

    n_filters, n_bands, stride = 8, 7, 4


class GRUSmall(_Small, GRU):
    """`GRU` with 22,988 weights for one neuron in bins of 1 ms."""

    n_states = 56


class MambaSmall(_Small, Mamba):
    """`Mamba` with 35,420 weights for one neuron in bins of 1 ms."""


class TransformerSmall(_Small, Transformer):
    """`Transformer` with one block, 28,108 weights for one neuron in bins of 1 ms."""

    n_blocks = 1


class CNN(Network):
    """Three layers of convolutions over frequency and time, the read-out."""

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__(n_freq, n_neurons, 32 * -(-n_freq // 8), dt_ms=dt_ms)
        past = max(2, self.window // self.step)
        self.layers = nn.Sequential(
            _Filters(1, 16, (5, self.window), (2, self.step)),
            _Filters(16, 32, (3, past), (2, 1)),
            _Filters(32, 32, (3, past), (2, 1)),
        )

    def features(self, sound: Tensor) -> Tensor:
        """What the last layer finds."""
        return self.layers(sound).flatten(1, 2).transpose(1, 2)


class _Filters(nn.Module):  # type: ignore[misc]
    """A convolution over neighbouring bands and the past, normalised over channels.

    Not over the batch or time: a prediction depends neither on other sounds nor on later bins.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: tuple[int, int], stride: tuple[int, int]
    ) -> None:
        super().__init__()
        self.n_past = kernel[1] - 1
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride, padding=(kernel[0] // 2, 0))
        self.norm = nn.LayerNorm(n_out)

    def forward(self, sound: Tensor) -> Tensor:
        """From (batch, channel, freq, time) to the same."""
        found = self.convolution(pad(sound, (self.n_past, 0)))
        return gelu(self.norm(found.movedim(1, -1)).movedim(-1, 1))


class _SelectiveStates(nn.Module):  # type: ignore[misc]
    """16 states for each of 128 channels: what they keep and take in depends on the sound."""

    def __init__(self, n_states: int = 16, n_before: int = 4, rank: int = 4) -> None:
        super().__init__()
        n_inner = 2 * _WIDTH
        self.sizes = [rank, n_states, n_states]
        self.norm = nn.LayerNorm(_WIDTH)
        self.enter = nn.Linear(_WIDTH, 2 * n_inner, bias=False)
        self.convolution = nn.Conv1d(n_inner, n_inner, n_before, groups=n_inner)
        self.select = nn.Linear(n_inner, sum(self.sizes), bias=False)
        self.pace = nn.Linear(rank, n_inner)
        # The authors' first values: paces from 0.001 to 0.1, decays from 1 to 16 in their units.
        paces = torch.empty(n_inner).uniform_(math.log(1e-3), math.log(0.1)).exp()
        with torch.no_grad():
            self.pace.bias.copy_(paces.expm1().log())
        decays = torch.arange(1.0, n_states + 1).log()
        self.log_decay = nn.Parameter(decays.expand(n_inner, -1).clone())
        self.direct = nn.Parameter(torch.ones(n_inner))
        self.leave = nn.Linear(n_inner, _WIDTH, bias=False)

    def forward(self, before: Tensor) -> Tensor:
        """From (batch, steps, 64) to the same."""
        # Steps first: each step of the recurrence is then one piece of memory.
        x, gate = self.enter(self.norm(before.transpose(0, 1))).chunk(2, -1)
        n_past = self.convolution.kernel_size[0] - 1
        x = silu(self.convolution(pad(x.permute(1, 2, 0), (n_past, 0))).permute(2, 0, 1))
        pace, take, show = self.select(x).split(self.sizes, -1)
        pace = softplus(self.pace(pace))
        keep = (pace.unsqueeze(-1) * -self.log_decay.exp()).exp()
        states = Recurrence.apply(keep, (pace * x).unsqueeze(-1) * take.unsqueeze(-2))
        shown = (states @ show.unsqueeze(-1)).squeeze(-1) + self.direct * x
        return before + self.leave(shown * silu(gate)).transpose(0, 1)


class Recurrence(torch.autograd.Function):  # type: ignore[misc]
    """h[t] = keep[t] * h[t - 1] + new[t], along the first dimension.

    One operation for each step, and one for each step back: recorded by autograd, a step costs
    several times as much.
    """

    @staticmethod
    def forward(ctx: Any, keep: Tensor, new: Tensor) -> Tensor:
        """All h, from h = 0."""
        states = new.clone()
        steps = states.unbind()
        for t, kept in enumerate(keep.unbind()[1:]):
            steps[t + 1].addcmul_(kept, steps[t])
        ctx.save_for_backward(keep, states)
        return states

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The same recurrence, backwards in time."""
        keep, states = ctx.saved_tensors
        of_new = gradient.clone()
        steps, kept = of_new.unbind(), keep.unbind()
        for t in range(len(steps) - 1, 0, -1):
            steps[t - 1].addcmul_(kept[t], steps[t])
        of_keep = torch.zeros_like(keep)
        torch.mul(of_new[1:], states[:-1], out=of_keep[1:])
        return of_keep, of_new


class _Attention(nn.Module):  # type: ignore[misc]
    """Four heads attend to the last `n_lags` steps, this one included; then two layers."""

    def __init__(self, n_lags: int, n_heads: int = 4) -> None:
        super().__init__()
        self.n_lags, self.n_heads = n_lags, n_heads
        self.norm = nn.LayerNorm(_WIDTH)
        self.ask = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.bias = nn.Parameter(torch.zeros(n_heads, n_lags))
        self.answer = nn.Linear(_WIDTH, _WIDTH)
        self.layers = nn.Sequential(
            nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, _WIDTH)
        )
        # Steps come in pieces of n_lags. A piece needs no more than itself and the one before.
        step = torch.arange(n_lags)
        self.register_buffer(
            "lag", n_lags + step.unsqueeze(1) - torch.arange(2 * n_lags), persistent=False
        )

    def forward(self, before: Tensor) -> Tensor:
        """From (batch, steps, 64) to the same."""
        n_batch, n_steps, _ = before.shape
        length = self.n_lags
        asked = pad(self.ask(self.norm(before)), (0, 0, 0, -n_steps % length))
        # To (query, key or value; batch, head, piece, step, channel).
        asked = asked.reshape(n_batch, -1, length, 3, self.n_heads, _WIDTH // self.n_heads)
        query, key, value = asked.permute(3, 0, 4, 1, 2, 5)
        key, value = (torch.cat([pad(each, (0, 0, 0, 0, 1, -1)), each], 3) for each in (key, value))
        near = (self.lag >= 0) & (self.lag < length)
        bias = self.bias[:, self.lag.clamp(0, length - 1)].masked_fill(~near, -math.inf)
        match = query @ key.mT / math.sqrt(query.shape[-1]) + bias.unsqueeze(1)
        # There is nothing before the first piece.
        first = torch.zeros_like(match[0, 0, :, 0], dtype=torch.bool)
        first[0, :length] = True
        match = match.masked_fill(first.unsqueeze(1), -math.inf)
        heard = (match.softmax(-1) @ value).permute(0, 2, 3, 1, 4).reshape(n_batch, -1, _WIDTH)
        after = before + self.answer(heard[:, :n_steps])
        return after + self.layers(after)
