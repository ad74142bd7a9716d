"""Relative links and pictures of the documentation lead to files that are committed."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "docs/guide/*.md", "docs/reference/*.md", "notebooks/*")
    for path in ROOT.glob(pattern)
)


@pytest.fixture(scope="module")
def committed():
    """All committed files, and their folders."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    out = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    files = {ROOT / name for name in out.stdout.splitlines()}
    return files | {folder for path in files for folder in path.parents}


def read_text(page):
    """The prose of a page, without its code."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)


def find_anchors(path):
    """The anchors of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", read_text(path.relative_to(ROOT)), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_target(page, link):
    """The file that a link leads to, and the anchor in it."""
    name, _, anchor = link.partition("#")
    path = (ROOT / page).parent / unquote(name) if name else ROOT / page
    return path.resolve(), anchor


def find_dead_links(page, text, committed):
    """The relative links of a text that lead to no committed file, or to no heading of it."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, anchor = find_target(page, link)
        if path not in committed or (anchor and anchor not in find_anchors(path)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links__lead_to_committed_files(page, committed):
    assert find_dead_links(page, read_text(page), committed) == []


def test_links__dead_links_are_found(committed):
    text = "[](guide/bins.md#lags) [](guide/bins.md#x) ![](_static/x.png) [](https://x.org)"
    assert find_dead_links(Path("docs/index.md"), text, committed) == [
        "guide/bins.md#x",
        "_static/x.png",
    ]
