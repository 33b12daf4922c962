"""Build the documentation as pages: `make docs`. Nothing is fetched, and every warning is an error."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import labelkit
from labelkit.settings import Settings

project = "labelkit"
version = release = labelkit.__version__
copyright = "labelkit contributors, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"

myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
nitpicky = False  # types of other libraries have no page here

html_theme = "furo"
html_title = "labelkit"
html_favicon = "../labelkit/live/page/icon.svg"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False

INDEXES = ("README", "decisions/README")


def list_pages(_app, page, source):
    """Give an index a sidebar: the pages it links to, in its order."""
    if page not in INDEXES:
        return
    folder = PurePosixPath(page).parent
    linked = dict.fromkeys(re.findall(r"\]\(([a-z][\w/-]*)\.md\)", source[0]))
    pages = [name for name in linked if (Path(__file__).parent / folder / f"{name}.md").is_file()]
    source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"


def list_keys(_app, kind, _name, thing, _options, lines):
    """Give a settings class its keys, with their defaults."""
    if kind == "class" and issubclass(thing, Settings):
        lines.append("")
        for key, field in thing.model_fields.items():
            lines.append(f"- ``{key}`` = ``{field.default!r}``: {field.description}")
        lines.append("")


def setup(app):
    app.connect("source-read", list_pages)
    app.connect("autodoc-process-docstring", list_keys)
