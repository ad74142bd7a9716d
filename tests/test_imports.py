"""The house: imports run one way, nothing happens at import, nothing heavy is loaded too soon."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import aa1xr

PACKAGE = Path(aa1xr.__file__).parent

#: From the ground up; a module may import from its own floor and those below.
FLOORS = [
    {
        "arguments",
        "errors",
        "messages",
        "optional",
        "printable",
        "schema",
        "typing",
        "citation",
        "cluster",
        "version",
        "atomic",
    },
    {"archive"},
    {"store"},
    {"dataset"},
    {"analysis", "simulation"},
    {"accessor", "explorer", "plot", "summary", "export"},
    {"benchmark"},
    {"registration"},
    {"__init__"},
    {"cli", "__main__"},
]


@functools.cache
def modules():
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def imported(path):
    """The modules of the package that a file imports, in functions too."""
    known = modules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] != "aa1xr":
                continue
            inner = name.removeprefix("aa1xr").lstrip(".")
            while inner and inner not in known:
                inner = inner.rpartition(".")[0]
            yield inner or "__init__"


def floor(module):
    top = module.split(".")[0] or "__init__"
    (found,) = [n for n, names in enumerate(FLOORS) if top in names]
    return found


def test_imports__run_one_way():
    wrong = [
        f"{module} imports {other}"
        for module, path in modules().items()
        for other in imported(path)
        if floor(other) > floor(module)
    ]
    assert not wrong


def test_imports__have_no_circle():
    graph = {module: set(imported(path)) - {"__init__"} for module, path in modules().items()}
    done: set[str] = set()

    def visit(module, above):
        assert module not in above, f"a circle: {[*above, module]}"
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, [*above, module])
            done.add(module)

    for module in graph:
        visit(module, [])


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


HEAVY = [
    "bokeh",
    "panel",
    "librosa",
    "numba",
    "sklearn",
    "matplotlib",
    "requests",
    "tqdm",
    "filelock",
]


def test_import__loads_nothing_heavy(tmp_path):
    code = f"""
import os, sys
os.environ["AA1XR_DATA_DIR"] = {str(tmp_path / "data")!r}
import aa1xr
print([m for m in {HEAVY} if m in sys.modules], os.path.exists({str(tmp_path / "data")!r}))
"""
    assert run(code).strip() == "[] False"


def test_warm_open__loads_nothing_heavy(sample_archive, sample_store):
    # Where distributed is installed, dask itself imports it to look for a Client, so it is
    # hidden here: nothing of this package asks for it.
    code = f"""
import sys
sys.modules["distributed"] = None
import aa1xr
for source in ({str(sample_archive)!r}, {str(sample_store)!r}):
    ds = aa1xr.open(source)
    rate = ds.psth.sel(area="MLd", type="conspecific").mean("neuron").compute(scheduler="threads")
    print([m for m in {HEAVY} if m in sys.modules], rate.shape)
"""
    assert run(code).splitlines() == ["[] (10, 434)"] * 2


def test_all__is_what_there_is():
    stub = ast.parse(Path(aa1xr.__file__).with_suffix(".pyi").read_text())
    (listed,) = [ast.literal_eval(n.value) for n in stub.body if isinstance(n, ast.Assign)]
    assert sorted(aa1xr.__all__) == aa1xr.__all__ == listed
    for name in aa1xr.__all__:
        assert getattr(aa1xr, name).__doc__
    assert dir(aa1xr) == aa1xr.__all__


@pytest.mark.parametrize("first", ["import aa1xr, xarray", "import xarray, aa1xr"])
def test_accessor__is_there_whichever_is_imported_first(first):
    code = f"""
{first}
ds = xarray.Dataset({{"psth": (("neuron", "stimulus", "time"), [[[1.0]]])}})
print(type(ds.aa1).__name__, type(ds.psth.aa1).__name__)
"""
    assert run(code).split() == ["DatasetAccessor", "DataArrayAccessor"]


def test_accessor__outlives_an_import_of_xarray_that_failed():
    code = """
import sys, aa1xr
sys.modules["numpy"] = None
try:
    import xarray
except ImportError:
    del sys.modules["numpy"]
for name in [n for n in sys.modules if n.partition(".")[0] in ("xarray", "numpy")]:
    del sys.modules[name]
import xarray
print(type(xarray.Dataset().aa1).__name__)
"""
    assert run(code).strip() == "DatasetAccessor"


def test_accessor__is_registered_once_whatever_is_imported_again():
    code = """
import importlib, importlib.util, sys, aa1xr
before = sys.meta_path[:]
spec = importlib.util.find_spec("xarray")
importlib.reload(aa1xr)
import xarray
spec.loader.exec_module(xarray)
sys.meta_path[:] = before
importlib.reload(xarray)
importlib.reload(aa1xr)
print(type(xarray.Dataset().aa1).__name__, xarray.Dataset.aa1.__doc__[:24])
"""
    assert run(code).strip() == "DatasetAccessor The functions of aa1xr t"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["cite"]])
def test_command_line__starts_without_xarray(arguments):
    code = f"""
import sys
from aa1xr.cli import main
try:
    main({arguments})
except SystemExit:
    pass
print([m for m in ("numpy", "xarray", "zarr", "dask") if m in sys.modules])
"""
    assert run(code).splitlines()[-1] == "[]"
