"""The code of the pages of the guide, for tests that run it."""

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide"
#: Cells that the documentation build runs.
CELL = "{code-cell} ipython3"


def blocks(page: str, kind: str) -> list[str]:
    """The code of a page, in order; cells begin with their options."""
    text = (GUIDE / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{re.escape(kind)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_block(page: str, code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block with some names, and return them with its own."""
    exec(compile(code, page, "exec"), names)
    return names


def run_cells(page: str) -> dict[str, Any]:
    """Run the cells of a page one after the other, and return their names."""
    names: dict[str, Any] = {}
    for cell in blocks(page, CELL):
        code = re.sub(r"\A(?:---\n.*?\n---\n|:[^\n]*\n+)", "", cell, flags=re.DOTALL)
        if "raises-exception" in cell.partition("\n")[0]:
            with pytest.raises(ValueError, match=r"."):
                run_block(page, code, names)
        else:
            run_block(page, code, names)
    return names
