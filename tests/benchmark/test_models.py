import sys

import pytest

from aa1xr.benchmark import run
from aa1xr.benchmark.models import NEEDS_TORCH


def test_networks__without_torch_say_which_extra(ds, protocol, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for model in NEEDS_TORCH:
        with pytest.raises(ImportError, match=r"torch is not installed.*the extra torch"):
            run(ds, protocol, model)
