"""The number of parameters of the networks of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def count_parameters(
    function: Callable[..., Any], n_freq: int, n_neurons: int, *, dt_ms: float
) -> tuple[int, int] | None:
    """Count the trainable parameters with one output, and with all; None if there is no network.

    Parameters
    ----------
    function
        A model as a function. Its attribute `networks` returns the classes that it trains, one for
        each member of an ensemble.
    n_freq, n_neurons, dt_ms
        What the classes are made for.
    """
    networks = getattr(function, "networks", None)
    if networks is None:
        return None
    import torch

    from aa1xr.benchmark.training import make

    def count(outputs: int) -> int:
        made = [make(kind, n_freq, outputs, dt_ms=dt_ms) for kind in networks()]
        return sum(p.numel() for one in made for p in one.parameters() if p.requires_grad)

    # The first weights are drawn, and nothing after must depend on that.
    with torch.random.fork_rng():
        return count(1), count(n_neurons)
