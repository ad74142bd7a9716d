"""Networks that predict the rates of all neurons of an area from the stimulus; need torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, softplus

#: A step of the layers in between, in ms: shorter bins are taken several at a time.
_STEP_MS = 4
#: How far back filters of the sound reach, in ms.
_WINDOW_MS = 40
#: Silence before the first bin, in ms, for states to settle in.
_LEAD_MS = 120


def spread(values: Tensor) -> Tensor:
    """Standard deviations over time, without NaN; 1 where nothing varies. [shape: (n, 1)]."""
    about = values - values.nanmean(1, keepdim=True)
    scale = about.square().nanmean(1, keepdim=True).sqrt()
    return torch.where(scale > 1e-6, scale, 1)


class Network(nn.Module):  # type: ignore[misc]
    """From spectrograms [shape: (batch, freq, time)] to rates [shape: (batch, neuron, time)].

    A subclass gives features of the sound at every `step` bins, which know nothing later than
    the first of those. A linear read-out makes of them a neuron's drive in each of these bins, so
    that no rate depends on later sound; softplus makes it positive.

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


class GRU(Network):
    """Spectro-temporal filters, one gated recurrent layer, the read-out (as StateNet)."""

    def __init__(self, n_freq: int, n_neurons: int, *, dt_ms: float) -> None:
        super().__init__(n_freq, n_neurons, 96, dt_ms=dt_ms)
        filters = _Filters(1, 16, (5, self.window), (1, self.step))
        self.filters = nn.Sequential(filters, nn.Dropout(0.4))
        self.recurrent = nn.GRU(16 * n_freq, 96, batch_first=True)

    def features(self, sound: Tensor) -> Tensor:
        """The states of the recurrent layer."""
        return self.recurrent(self.filters(sound).flatten(1, 2).transpose(1, 2))[0]


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

    Not over the batch or time: a prediction depends neither on other sounds nor on later sound.
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
