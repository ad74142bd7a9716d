"""The recipe for conda-forge is that of this version, and asks for what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest

import aa1xr

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[1]
#: What conda-forge calls otherwise than PyPI.
NAMES = {"dask[array]": "dask-core", "matplotlib": "matplotlib-base", "torch": "pytorch"}
#: Extras for work on the package itself.
OURS = {"docs", "test", "dev"}


@pytest.fixture(scope="module")
def recipe():
    text = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    context = yaml.safe_load(text)["context"]
    for name, value in context.items():
        text = text.replace(f"${{{{ {name} }}}}", value)
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def as_conda(requirements):
    """Requirements of pyproject.toml in the words of conda."""
    for each in requirements:
        name, version = re.fullmatch(r"([\w.\[\]-]+)(>=[\d.]+)", each).groups()
        yield f"{NAMES.get(name, name)} {version}"


def test_recipe__is_of_this_version(recipe):
    assert recipe["package"] == {"name": "aa1xr", "version": aa1xr.__version__}
    assert recipe["source"]["url"].endswith(f"/v{aa1xr.__version__}.tar.gz")
    assert re.fullmatch("[0-9a-f]{64}", recipe["source"]["sha256"])


def test_recipe__requires_what_the_package_requires(recipe, project):
    python, *run = recipe["requirements"]["run"]
    assert python == f"python {project['requires-python']}"
    assert sorted(run) == sorted(as_conda(project["dependencies"]))


def test_recipe__constrains_what_the_extras_bring(recipe, project):
    extras = project["optional-dependencies"]
    every = {each for extra in extras.keys() - OURS for each in extras[extra]}
    assert sorted(recipe["requirements"]["run_constraints"]) == sorted(as_conda(every))


def test_recipe__describes_the_package(recipe, project):
    about, urls = recipe["about"], project["urls"]
    assert about["summary"] == project["description"]
    assert about["license"] == project["license"]
    assert (about["repository"], about["documentation"]) == (urls["Source"], urls["Documentation"])
    assert recipe["source"]["url"].startswith(urls["Source"])
    (command,) = project["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [" = ".join(command)]
