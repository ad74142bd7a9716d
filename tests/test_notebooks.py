"""The notebooks, as far as that takes no running them: building the site does (`.ci/run`)."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_notebooks__are_there():
    assert len(NOTEBOOKS) >= 8


def test_notebook__opens_with_what_it_answers(notebook):
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# .+\n\n\*\*[^*]+\?\*\*", source(first))


def test_notebook__has_one_variable_for_the_data(notebook):
    text = "\n".join(map(source, code(notebook)))
    assert re.findall(r"^SOURCE = (\S+)", text, flags=re.MULTILINE) == ["None"]
    # Cells and sounds are picked from the data, so that it runs on any archive.
    assert not re.search(r"sim\d{4}|(conspecific|flatrip)-\d|open_sample\(.+\)\.", text)


def test_notebook__is_stored_without_traces_of_a_run(notebook):
    assert notebook["nbformat"] == 4
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code(notebook))
    assert not re.search(r"/home/|/Users/|/tmp/|[A-Z]:\\\\", json.dumps(notebook))
