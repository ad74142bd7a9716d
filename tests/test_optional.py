import math
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from aa1xr.optional import import_optional

ROOT = Path(__file__).resolve().parents[1]


def test_import_optional__gives_the_module():
    assert import_optional("math", extra="nothing") is math


REQUIREMENTS = [
    "numpy>=2.4",
    "matplotlib>=3.11; extra == 'plot'",
    'panel>=1.9; extra == "explore"',
    "bokeh>=3.9; extra == 'explore'",
    "aa1xr[plot]; extra == 'test'",
]


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("plot", 'pip install "matplotlib>=3.11" (the extra plot of aa1xr)'),
        ("explore", 'pip install "panel>=1.9" "bokeh>=3.9" (the extra explore of aa1xr)'),
    ],
)
def test_import_optional__names_the_libraries(monkeypatch, extra, says):
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIREMENTS)
    with pytest.raises(ModuleNotFoundError) as caught:
        import_optional("nosuchlibrary.part", extra=extra)
    assert str(caught.value) == f"nosuchlibrary is not installed. Run: {says}"
    assert caught.value.name == "nosuchlibrary"


def test_import_optional__of_a_checkout_that_is_not_installed(monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    with pytest.raises(ModuleNotFoundError, match=r'install "\.\[plot\]", in the folder of the'):
        import_optional("nosuchlibrary", extra="plot")


def test_missing__knows_every_extra_that_the_package_asks_for():
    """And no other place has a command of its own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = set()
    for path in (ROOT / "aa1xr").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r'(?:import_optional|missing)\([^)]*extra="(\w+)"', text))
        assert "pip install" not in text or path.name == "optional.py", path
    assert {"plot", "explore", "cluster", "torch"} <= asked <= set(extras)


def test_import_optional__what_fails_inside_says_so(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("import nosuchdependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'nosuchdependency'"):
        import_optional("broken_library", extra="some")
