"""Configuration of the site: pages, docstrings, and notebooks, which run on simulated neurons.

sphinx-build -W --keep-going -b html docs docs/_build/html
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging

import aa1xr

LOGGER = logging.getLogger(__name__)
HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE = PROJECT["urls"]["Source"]
# Pages and notebooks have a data directory of their own.
os.environ["AA1XR_DATA_DIR"] = str(HERE / "_build" / "data")
aa1xr.open_sample()  # created before any page runs, so that no page shows a progress bar

# Sphinx only reads notebooks below docs/. Links between the two folders lead to the files of a
# checkout, so they are changed here and in _link_notebooks.
(HERE / "notebooks").mkdir(exist_ok=True)
for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
    text = notebook.read_text(encoding="utf-8").replace("](../docs/", "](../")
    (HERE / "notebooks" / notebook.name).write_text(text, encoding="utf-8")

project = "aa1xr"
author = "The aa1xr developers"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = aa1xr.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinxarg.ext",
]
if os.environ.get("READTHEDOCS"):  # elsewhere the site is built without a network
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "xarray": ("https://docs.xarray.dev/en/stable", None),
        "zarr": ("https://zarr.readthedocs.io/en/stable", None),
        "dask": ("https://docs.dask.org/en/stable", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
    }
exclude_patterns = ["_build"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_in_temp = True
nb_merge_streams = True
nb_render_markdown_format = "myst"  # CommonMark, the default, has no tables
nb_output_stderr = "warn"  # fails the build, unless the metadata of the cell allow it

default_role = "py:obj"  # `aa1xr.open` in a docstring is a link, `dt_ms` just code
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # docstrings give the types
napoleon_google_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 80
# macOS and Windows do not distinguish the files of Split and split.
autosummary_filename_map = {"aa1xr.Split": "aa1xr.Split-class"}

html_theme = "pydata_sphinx_theme"
html_title = f"aa1xr {version}"
html_theme_options = {
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "icon_links": [{"name": "Repository", "url": SOURCE, "icon": "fa-brands fa-github"}],
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}
# Pages without others below them would have an empty side bar.
html_sidebars = {"speed": [], "changelog": [], "architecture": []}
html_static_path = ["_static"]
html_css_files = ["outputs.css"]
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"  # prompts and outputs are not for pasting


def setup(app: Sphinx) -> None:
    """Connect the functions below."""
    app.connect("source-read", _link_notebooks)
    app.connect("doctree-read", _link_names)
    app.connect("doctree-read", _find_raw_tables)
    app.connect("autodoc-process-docstring", _show_code, priority=0)
    app.connect("autodoc-skip-member", _skip_fields)


def _link_notebooks(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead links to the notebooks of the repository to their copies among the pages."""
    del app, docname
    source[0] = re.sub(r"\]\(((?:\.\./)*)\.\./notebooks/", r"](\1notebooks/", source[0])


def _link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Link `aa1xr.open` on a page or in a notebook to its reference."""
    for literal in list(doctree.findall(nodes.literal)):
        name = literal.astext()
        if not re.fullmatch(r"aa1xr(\.\w+)+", name):
            continue
        if isinstance(literal.parent, nodes.reference | pending_xref):
            continue
        link = pending_xref("", refdomain="py", reftype="obj", reftarget=name, refwarn=False)
        link["refdoc"] = app.env.docname
        literal.replace_self(link)
        link += literal


def _find_raw_tables(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of a Markdown table that is shown as text."""
    del app
    for paragraph in doctree.findall(nodes.paragraph):
        if paragraph.astext().startswith("| "):
            LOGGER.warning("a table is shown as text", location=paragraph)


def _show_code(*args: Any) -> None:
    """Show an indented paragraph of a docstring, which is a formula, as code."""
    lines = args[-1]
    text = re.sub(r"(?m)^( *)(\S.*\n\n)(?=\1    \S)", r"\1\2\1::\n\n", "\n".join(lines))
    lines[:] = text.split("\n")


def _skip_fields(*args: Any) -> bool | None:
    """Leave out the fields of a named tuple, because its signature lists them."""
    return True if type(args[3]).__name__ == "_tuplegetter" else None
