import sys

import pytest

from aa1xr.benchmark import run


@pytest.mark.parametrize("model", ["gru", "gru-ensemble", "cnn"])
def test_networks__without_torch_say_which_extra(model, ds, protocol, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"torch is not installed; pip install 'aa1xr\[torch\]'"):
        run(ds, protocol, model)
