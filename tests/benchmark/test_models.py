import sys

import pytest

from aa1xr.benchmark import run


def test_networks__without_torch_say_which_extra(ds, protocol, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for model in ("gru", "gru-ensemble", "mamba", "transformer-small", "ensemble", "cnn"):
        with pytest.raises(
            ImportError, match=r"torch is not installed; pip install 'aa1xr\[torch\]"
        ):
            run(ds, protocol, model)
