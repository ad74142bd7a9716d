"""Every example in a docstring runs, on the sample."""

import doctest
import importlib
import pkgutil
import sys

import pytest

import aa1xr

MODULES = ["aa1xr", *(m.name for m in pkgutil.walk_packages(aa1xr.__path__, "aa1xr."))]


#: Not what the tests install, since it is large.
NEEDS = dict.fromkeys(
    (
        "aa1xr.explorer.explore",
        "aa1xr.explorer.figures",
        "aa1xr.explorer.page",
        "aa1xr.explorer.server",
    ),
    "panel",
) | dict.fromkeys(
    (
        "aa1xr.benchmark.networks",
        "aa1xr.benchmark.published",
        "aa1xr.benchmark.training",
        "aa1xr.export.deepstrf",
        "aa1xr.export.torch",
        "aa1xr.export.torch_dataset",
    ),
    "torch",
)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples(name, sample_archive, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"aa1xr": aa1xr, "tmp": tmp_path})
    assert result.failed == 0
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


def test_examples__every_public_function_has_one():
    for name in aa1xr.__all__:
        function = getattr(aa1xr, name)
        if not isinstance(function, type):
            assert ">>> " in function.__doc__, name
