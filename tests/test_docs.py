"""The reference and the guide are complete. `.ci/run` builds all pages and runs their code."""

import importlib.util
import inspect
import re
import tomllib
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


def test_install__names_every_extra():
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| (`.*`) \|", (DOCS / "guide" / "install.md").read_text(), re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert project["project"]["optional-dependencies"].keys() <= named


def test_architecture__pictures_are_up_to_date():
    spec = importlib.util.spec_from_file_location("architecture", DOCS / "architecture.py")
    architecture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(architecture)
    for name, picture in architecture.draw_pictures().items():
        again = "the picture is out of date; run `python docs/architecture.py`"
        assert (DOCS / "_static" / name).read_text(encoding="utf-8") == picture, again


def test_architecture__names_modules_that_exist():
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    package = Path(aa1xr.__file__).parent
    for name in re.findall(r"`((?:archive|store|dataset)/\w+\.py)`", text):
        assert (package / name).is_file(), f"docs/architecture.md names {name}"
