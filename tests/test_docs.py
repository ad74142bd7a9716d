"""The reference is complete. That all pages build, and their code runs, `.ci/run` shows."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import aa1xr

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_reference__has_every_public_name():
    listed = re.findall(r"^   ([\w.]+)$", (DOCS / "reference.md").read_text(), flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    names = {name: getattr(aa1xr, name) for name in aa1xr.__all__} | {"plot": aa1xr.plot}
    modules = {name: value for name, value in names.items() if isinstance(value, ModuleType)}
    inner = {
        f"{name}.{member}"
        for name, module in modules.items()
        for member in module.__all__
        if inspect.isroutine(getattr(module, member)) or inspect.isclass(getattr(module, member))
    }
    assert set(listed) == names.keys() - modules.keys() | inner


def test_guide__has_every_page():
    guide = (DOCS / "guide.md").read_text()
    for page in (DOCS / "guide").glob("*.md"):
        assert f"\nguide/{page.stem}\n" in guide
