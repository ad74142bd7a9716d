"""The reference is complete. That all pages build, and their code runs, `.ci/run` shows."""

import re
from pathlib import Path
from types import ModuleType

import aa1xr

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_reference__has_every_public_name():
    listed = re.findall(r"^   ([\w.]+)$", (DOCS / "reference.md").read_text(), flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    plots = {f"plot.{name}" for name in aa1xr.plot.__all__}
    modules = {name for name in aa1xr.__all__ if isinstance(getattr(aa1xr, name), ModuleType)}
    assert set(listed) == set(aa1xr.__all__) - modules | plots


def test_guide__has_every_page():
    guide = (DOCS / "guide.md").read_text()
    for page in (DOCS / "guide").glob("*.md"):
        assert f"\nguide/{page.stem}\n" in guide
