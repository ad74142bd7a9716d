"""The number of parameters of the networks of a model."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def count_parameters(
    function: Callable[..., Any], n_freq: int, n_neurons: int, *, dt_ms: float
) -> tuple[int, int] | None:
    """Count the trainable parameters with one output, and with all; None if there is no network.

    Parameters
    ----------
    function
        A model as a function. Its attribute `networks` has the classes that it trains, one for each
        member of an ensemble, or their names such as "networks.GRU" (in `aa1xr.benchmark`).
    n_freq, n_neurons, dt_ms
        What the classes are made for.
    """
    networks = getattr(function, "networks", ())
    if not networks:
        return None
    import torch

    from aa1xr.benchmark.training import make

    def count(outputs: int) -> int:
        made = [make(_network(each), n_freq, outputs, dt_ms=dt_ms) for each in networks]
        return sum(p.numel() for one in made for p in one.parameters() if p.requires_grad)

    # The first weights are drawn, and nothing after must depend on that.
    with torch.random.fork_rng():
        return count(1), count(n_neurons)


def _network(kind: type[Any] | str) -> Any:
    if not isinstance(kind, str):
        return kind
    module, name = kind.split(".")
    return getattr(import_module(f"aa1xr.benchmark.{module}"), name)
