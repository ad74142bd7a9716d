"""What a package brings: `python installed.py [PACKAGE]` prints packages and bytes.

With a name, it and all that it requires, of what is installed; without one, everything that is
installed but what a bare virtual environment has.
"""

import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

BARE = {"pip", "setuptools"}


def everything() -> dict[str, Distribution]:
    found = {_normal(d.name): d for d in distributions()}
    return {name: d for name, d in found.items() if name not in BARE}


def required(name: str, extras: tuple[str, ...] = ()) -> dict[str, Distribution]:
    """`name` and what it requires, and so on."""
    from packaging.requirements import Requirement

    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    done = set()
    while waiting:
        name, extras = waiting.pop()
        try:
            found[_normal(name)] = distribution(name)
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, found[_normal(name)].requires or ()):
            wanted = (requirement.name, tuple(sorted(requirement.extras)))
            here = not requirement.marker or any(
                requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            if here and wanted not in done:
                done.add(wanted)
                waiting.append(wanted)
    return found


def size(package: Distribution) -> int:
    """Bytes on disk, compiled files included where pip recorded them."""
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        # Installed in place: its files are in the checkout.
        root = Path(origin["url"].removeprefix("file://"))
        paths = [*(root / package.name).rglob("*.py")]
    else:
        paths = [Path(file.locate()) for file in package.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    chosen = required(sys.argv[1]) if len(sys.argv) > 1 else everything()
    versions = {name: package.version for name, package in sorted(chosen.items())}
    print(json.dumps({"bytes": sum(map(size, chosen.values())), "versions": versions}))
