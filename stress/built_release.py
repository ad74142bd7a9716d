"""Look into a wheel and an sdist, and run them where nothing else is installed.

`python -m stress.built_release dist` takes a folder with one of each.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]

_INFO = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
#: What an sdist has at its top, beside folders.
_FILES = {
    ".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "PKG-INFO",
    "README.md", "SECURITY.md", "pyproject.toml",
}  # fmt: skip
_FOLDERS = {"aa1xr", "benchmarks", "docs", "notebooks", "packaging", "stress", "tests"}
#: Data: names and digests of AA1, and scores, from which nothing of it can be made again.
_DATA = {"aa1xr/archive/aa1-contents.txt", "aa1xr/benchmark/scores.csv"}
#: Pictures of the code and of simulated neurons; others could show recordings.
_PICTURES = {
    f"docs/_static/{name}.svg"
    for name in ("architecture-data-path", "architecture-modules", "psth", "response")
} | {"docs/_static/explore.png"}
#: For conda-forge.
_RECIPE = "packaging/conda/recipe.yaml"
#: What else may be in its folders: nothing that recordings or results could be in.
_ENDINGS = {".py", ".pyi", ".typed", ".md", ".ipynb", ".css", ".rst", ".sh"}


def build(folder: Path) -> Path:
    """Build both into a folder."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def wrong_in_wheel(wheel: Path) -> list[str]:
    """What is in a wheel that should not be, or is not and should be."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
        expected = {f"{metadata}/{name}" for name in _INFO} | {
            "aa1xr/py.typed",
            "aa1xr/__init__.pyi",
            *_DATA,
        }
        expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "aa1xr").rglob("*.py")}
        wrong = [f"{wheel.name}: {name} is in it" for name in sorted(names - expected)]
        wrong += [f"{wheel.name}: {name} is missing" for name in sorted(expected - names)]
        for name in sorted(names & expected):
            source = ROOT / name
            if name.startswith("aa1xr/") and archive.read(name) != source.read_bytes():
                wrong.append(f"{wheel.name}: {name} is another than here")
    return wrong


def wrong_in_sdist(sdist: Path) -> list[str]:
    """The same of an sdist."""
    wrong = []
    with tarfile.open(sdist) as archive:
        members = {member.name.partition("/")[2]: member for member in archive}
        for name, member in sorted(members.items()):
            path = PurePosixPath(name)
            fits = name in _FILES if len(path.parts) == 1 else path.suffix in _ENDINGS
            fits |= name in _DATA | _PICTURES | {_RECIPE}
            there = len(path.parts) == 1 or path.parts[0] in _FOLDERS
            if not (fits and there and member.isfile()) or member.size > 2**20:
                wrong.append(f"{sdist.name}: {name} is in it")
            elif path.suffix == ".ipynb":
                file = archive.extractfile(member)
                if file is None or b'"output_type"' in file.read():
                    wrong.append(f"{sdist.name}: {name} has outputs")
    expected = {*_FILES, "aa1xr/__init__.pyi", *_DATA, _RECIPE} | {
        path.relative_to(ROOT).as_posix()
        for folder in ("aa1xr", "benchmarks", "stress", "tests")
        for path in (ROOT / folder).rglob("*.py")
    }
    return wrong + [f"{sdist.name}: {name} is missing" for name in sorted(expected - set(members))]


class Alone:
    """An environment that has what is installed here and what that needs, and nothing else."""

    def __init__(self, work: Path) -> None:
        venv.create(work / "env", with_pip=True)
        self._programs = work / "env" / ("Scripts" if os.name == "nt" else "bin")
        self._away = work / "elsewhere"
        self._away.mkdir()
        self._environment = {n: value for n, value in os.environ.items() if n != "PYTHONPATH"}
        self._environment |= {"AA1XR_DATA_DIR": str(work / "data"), "HOME": str(self._away)}

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self._away,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def faults(self, distribution: Path, *, replaces: bool) -> list[str]:
        """What of a distribution does not run once it is installed."""
        # What it needs is there already if it replaces the same version.
        how = ["--no-deps", "--force-reinstall"] if replaces else []
        pip = self.run("python", "-m", "pip", "install", "--quiet", *how, str(distribution))
        if pip.returncode:
            return [f"{distribution.name}: pip install: {pip.stderr[-300:]}"]
        code = "import aa1xr; print(aa1xr.open_sample(dt_ms=5).encoding['source'])"
        demo = self.run("aa1xr", "demo")
        opened = self.run("python", "-W", "error", "-c", code)
        info = self.run("aa1xr", "info", "--json", opened.stdout.strip())
        right = {
            "aa1xr demo": demo.returncode == 0 and "spikes/s" in demo.stdout and not demo.stderr,
            "open_sample": opened.returncode == 0 and not opened.stderr,
            "info": info.returncode == 0 and json.loads(info.stdout)["neurons"]["count"] == 12,
            **{
                f"no {name}": f"No module named '{name}'"
                in self.run("python", "-c", f"import {name}").stderr
                for name in ("tests", "stress", "benchmarks")
            },
        }
        said = "".join(done.stderr for done in (demo, opened, info))[-300:]
        return [f"{distribution.name}: {what}: {said}" for what, good in right.items() if not good]


def wrong_in(dist: Path) -> Iterator[tuple[str, list[str]]]:
    """Each thing that is looked at in a folder of a wheel and an sdist, and what is wrong."""
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    yield "contents of the wheel", wrong_in_wheel(wheel)
    yield "contents of the sdist", wrong_in_sdist(sdist)
    with tempfile.TemporaryDirectory(prefix="aa1xr-alone-") as work:
        alone = Alone(Path(work))
        yield "the wheel alone", alone.faults(wheel, replaces=False)
        yield "the sdist alone", alone.faults(sdist, replaces=True)


if __name__ == "__main__":
    found = [fault for _, faults in wrong_in(Path(sys.argv[1])) for fault in faults]
    print("\n".join(found) or "the wheel and the sdist hold what they should, and run alone")
    sys.exit(bool(found))
