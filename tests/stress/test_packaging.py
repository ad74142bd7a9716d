import importlib
import os
import re
import tarfile
import tomllib
import warnings
import zipfile
from importlib import metadata

import pytest

from stress import built_release, other_zarr, packaging


def test_secrets__are_nowhere(tmp_path):
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    counted = packaging.secrets(tmp_path / "work", long=False)
    assert counted.failures == []
    assert counted.right > 80


@pytest.mark.parametrize("value", ["a b/c&ü'=", "5upply/S3cret+of=S3"])
def test_forms__are_found_in_what_was_written(value):
    from base64 import b64encode
    from urllib.parse import urlencode

    wanted = [form for _, form in packaging.forms(value)]
    for n in range(4):
        header = b64encode("user"[:n].encode() + f":{value} and more".encode())
        assert any(form in header for form in wanted)
    for text in (value, repr(value), ascii(value), urlencode({"key": value})):
        assert any(form in text.encode() for form in wanted)


def test_code_in_data__is_not_run(sample_archive, tmp_path):
    counted = packaging.code_in_data(tmp_path / "work", 0.12)
    assert counted.failures == []
    assert counted.refused > 30


def test_code_in_package__there_is_none():
    counted = packaging.code_in_package()
    assert counted.failures == []
    assert counted.right > 80


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import subprocess as s",
        "eval('1')",
        "x = __import__(name)",
        "import_module(name)",
        "os.system(command)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path, weights_only=False)",
        "run(command, shell=True)",
        "pd.read_pickle(path)",
        "df.eval(text)",
    ],
)
def test_could_run__finds_it(source):
    assert packaging.could_run(source)


@pytest.mark.parametrize(
    "source",
    [
        "import json",
        "import_module(f'aa1xr.cli.{name}')",
        "np.load(path)",
        "import_module('torch')",
        "ds.load()",
    ],
)
def test_could_run__leaves_the_rest(source):
    assert not packaging.could_run(source)


def test_wrong_in_wheel__finds_it(tmp_path):
    path = tmp_path / "aa1xr-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt"):
            archive.writestr(f"aa1xr-0.1.0.dist-info/{name}", "")
        archive.writestr("tests/conftest.py", "")
        archive.writestr("aa1xr/sample.zip", "")
        for source in (built_release.ROOT / "aa1xr").rglob("*.py"):
            if source.name not in {"schema.py", "errors.py"}:
                archive.write(source, source.relative_to(built_release.ROOT))
        archive.writestr("aa1xr/errors.py", "another")
    assert sorted(built_release.wrong_in_wheel(path)) == [
        f"{path.name}: aa1xr-0.1.0.dist-info/licenses/LICENSE is missing",
        f"{path.name}: aa1xr/__init__.pyi is missing",
        f"{path.name}: aa1xr/archive/aa1-contents.txt is missing",
        f"{path.name}: aa1xr/benchmark/scores.csv is missing",
        f"{path.name}: aa1xr/errors.py is another than here",
        f"{path.name}: aa1xr/py.typed is missing",
        f"{path.name}: aa1xr/sample.zip is in it",
        f"{path.name}: aa1xr/schema.py is missing",
        f"{path.name}: tests/conftest.py is in it",
    ]


def test_wrong_in_sdist__finds_it(tmp_path):
    path = tmp_path / "aa1xr-0.1.0.tar.gz"
    (tmp_path / "executed.ipynb").write_text('{"output_type": "stream"}')
    names = ["aa1.zip", "docs/aa1.zarr/c/0", "secrets.md", "scratch/mine.py", "tests/a.npz"]
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.add(__file__, f"aa1xr-0.1.0/{name}")
        archive.add(tmp_path / "executed.ipynb", "aa1xr-0.1.0/notebooks/executed.ipynb")
    wrong = built_release.wrong_in_sdist(path)
    assert {f"{path.name}: {name} is in it" for name in names} <= set(wrong)
    assert f"{path.name}: notebooks/executed.ipynb has outputs" in wrong
    assert f"{path.name}: LICENSE is missing" in wrong
    assert f"{path.name}: aa1xr/errors.py is missing" in wrong


def test_both_ways__with_another_zarr(tmp_path):
    if not os.environ.get(other_zarr.OTHER):
        pytest.skip(f"needs ${other_zarr.OTHER}, with aa1xr and another release of Zarr")
    counted = other_zarr.both_ways(tmp_path / "work")
    assert counted.failures == []
    assert counted.right > 80


#: What is imported of a distribution, where that is not its name.
IMPORTED = {
    "moto": "moto.server", "dask": "dask.array", "pytest-xdist": "xdist", "ipython": "IPython",
    "lazy-loader": "lazy_loader",
}  # fmt: skip


@pytest.fixture(scope="module")
def requirements():
    """Every requirement, by what of the package needs it."""
    project = tomllib.loads((built_release.ROOT / "pyproject.toml").read_text())["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def test_requirements__what_is_there_can_be_imported(requirements):
    """A test that is skipped where an import fails would hide a release that is too old."""
    names = [
        re.match(r"[\w-]+", requirement)[0]
        for extra, needed in requirements.items()
        if extra not in {"docs", "dev"}
        for requirement in needed
    ]
    there = {found.metadata["Name"].lower() for found in metadata.distributions()}
    modules = [IMPORTED.get(name, name) for name in names if name in there - {"aa1xr"}]
    assert len(modules) >= 12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of theirs
        for name in modules:
            importlib.import_module(name)


def test_requirements__have_floors(requirements):
    every = [requirement for needed in requirements.values() for requirement in needed]
    assert not [r for r in every if ">=" not in r and not r.startswith(("aa1xr[", "types-"))]
