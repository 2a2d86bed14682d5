"""Settings of the documentation: Sphinx with MyST pages, the Furo theme, and a reference made from docstrings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from headway import __version__

project = "Headway"
author = "The Headway authors"
project_copyright = "The Headway authors; Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# A dollar sign is a price here; formulas stand in math fences.
myst_enable_extensions = ["deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
# Torch is an extra that the documentation need not install.
autodoc_mock_imports = ["torch"]
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_numpy_docstring = True
# Prose such as "mapping of str to float" is for people; the signature has the exact type.
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = False

nitpicky = True
# Types of other packages: their inventories are not fetched, the build works offline.
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|np|click|rich|starlette|uvicorn|collections|pathlib|types|os|sys|re|sqlite3|datetime)\..+"),
    ("py:class", r"(ArrayLike|NDArray)"),
    ("py:class", r"(Json|Array|Ints|Floats|Bools|headway\.simulation\._.+|headway\.economy\._.+)"),
    ("py:class", "MappingProxyType"),
    ("py:.*", r"(torch|numba)\..+"),
    # Imported for type checking alone, so that listing the claims stays quick.
    ("py:class", r"(Claim|ClaimResult)"),
    # Type variables, aliases, and the pieces of an alias that is written as text.
    ("py:class", r"headway\.(reversible\.feistel\.T|economy\.completions\.T|simulation\.parallel\.(Result|Item))"),
    ("py:class", r"Rule|(Account|Deal)Line|(dict|list|set)\[.+"),
]

# Two rooms may give one short name to different things, each right in its own.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "Headway"
html_copy_source = False
html_show_sphinx = False


def _prose_of_property(_app: Any, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Keep "Weights [1]: those that ..." prose: the docstring reader takes words before a first colon for a type.

    An empty comment takes the first line, and shows nothing.
    """
    if what in ("property", "attribute", "data"):
        lines[:0] = ["..", ""]


def setup(app: Any) -> None:
    """Run before the docstring reader, whose priority is 500."""
    app.connect("autodoc-process-docstring", _prose_of_property, priority=400)
