"""How Sphinx builds the documents: `make docs`. Nothing is fetched from a network.

The source folder is the repository's root, so that a link between two files means the same here as on a forge.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer
from pygments.lexers.sql import PostgresLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "src")]

project = "CasareRPA"
author = "The CasareRPA authors"
copyright = author  # noqa: A001 - Sphinx's name for it

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "field_tables",
    "public_names",
    "sql_reference",
]

root_doc = "docs/index"
source_suffix = {".md": "markdown"}
include_patterns = ["*.md", "docs/**"]
exclude_patterns = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "docs"]

myst_heading_anchors = 4

napoleon_use_ivar = True  # a list of attributes, not a heading for each

default_role = "py:obj"  # a word between single backticks in a docstring
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "inherited-members": "BaseModel, BaseException, Enum, str, int, tuple, list, dict, object",
    "exclude-members": "args, with_traceback, add_note, characters_written, errno, filename, filename2, strerror",
}
autodoc_class_signature = "separated"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

nitpicky = True
nitpick_ignore = [("myst", "examples")]  # a folder
nitpick_ignore_regex = [
    ("py:obj", r".*"),  # arguments, fields, SQL: a single backtick need not lead anywhere
    ("py:class", r".*"),  # types of others, which would have to be fetched, and of parts of ours
    ("py:exc", r"(?!casare_rpa\b).*"),
]

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_additional_pages = {"index": "to_the_first_page.html"}
templates_path = ["_templates"]
pygments_style = "friendly"


def setup(app: Sphinx) -> None:
    app.add_lexer("mermaid", TextLexer)  # drawn where the page is read on a forge, shown as it is here
    app.add_lexer("sql", PostgresLexer)
