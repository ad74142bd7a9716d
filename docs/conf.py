"""How the site is built: pages, docstrings, and notebooks, which are executed on the sample.

sphinx-build -W --keep-going -b html docs docs/_build/html
"""

import os
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import aa1xr

HERE = Path(__file__).parent
# What pages and notebooks open lies here, and not in the data directory of whoever builds them.
os.environ["AA1XR_DATA_DIR"] = str(HERE / "_build" / "data")
aa1xr.open_sample()  # made before any of them runs, so that none shows its progress

# Sphinx wants notebooks among its pages, and a link to a folder outside is not among them.
(HERE / "notebooks").mkdir(exist_ok=True)
for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
    text = notebook.read_text(encoding="utf-8").replace("](../docs/", "](../")
    (HERE / "notebooks" / notebook.name).write_text(text, encoding="utf-8")

project = "aa1xr"
author = "The aa1xr developers"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = metadata.version("aa1xr")

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
nb_output_stderr = "warn"  # what a user should not see, nor a reader; cells may ask to show it

default_role = "py:obj"  # `aa1xr.open` in a docstring is a link, `dt_ms` just code
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # docstrings say more
napoleon_google_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 80
# Where files differ by more than case, also on a Mac.
autosummary_filename_map = {"aa1xr.Split": "aa1xr.Split-class"}

html_theme = "pydata_sphinx_theme"
html_title = "aa1xr"
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}
html_static_path = ["_static"]
html_css_files = ["outputs.css"]
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"  # prompts and outputs are not for pasting


def setup(app: Sphinx) -> None:
    """What the extensions above do not do."""
    app.connect("doctree-read", _link_names)
    app.connect("autodoc-process-docstring", _show_code, priority=0)
    app.connect("autodoc-skip-member", _skip_fields)


def _link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Let `aa1xr.open` on a page, or in a notebook, lead to its reference."""
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


def _show_code(*args: Any) -> None:
    """Show an indented paragraph of a docstring as code, as Markdown does: it is a formula."""
    lines = args[-1]
    text = re.sub(r"(?m)^( *)(\S.*\n\n)(?=\1    \S)", r"\1\2\1::\n\n", "\n".join(lines))
    lines[:] = text.split("\n")


def _skip_fields(*args: Any) -> bool | None:
    """Leave out the fields of a named tuple, which its signature names."""
    return True if type(args[3]).__name__ == "_tuplegetter" else None
