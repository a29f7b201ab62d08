"""How Sphinx builds the documentation: ``make docs``, or ``sphinx-build docs build/docs``."""

import builtins
import sys
from pathlib import Path

# The clone's own package, whatever else is installed, and this folder's extensions.
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "_ext")]

from arcflow import __version__  # noqa: E402

project = "arcflow"
author = "The arcflow authors"
copyright = f"2026 {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "reference_pages",
    "docstrings",
    "repository_links",
]
root_doc = "index"
exclude_patterns = ["_ext"]
# Dashes are set, quotes stay as they are written: many are a program's.
smartquotes_action = "D"

html_theme = "furo"
html_title = f"arcflow {release}"
html_copy_source = False

# Links to the headings of a guide, written as on GitHub.
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_display_short_literal_types = True
maximum_signature_line_length = 88
# The list beside a page is that of the package's modules, which one can survey.
toc_object_entries = False
napoleon_numpy_docstring = False

# Every name in the docstrings must lead somewhere. Other projects' names do not: their inventories
# would have to be fetched, and the documentation builds without a network.
nitpicky = True
_OTHERS = (
    *sys.stdlib_module_names,
    *("jinja2", "jsonargparse", "lightning", "markupsafe", "matplotlib", "numpy", "peft", "rich"),
    *("tokenizers", "torch", "torchmetrics", "transformers", "vllm", "yaml"),
)
nitpick_ignore_regex = [
    ("py:.*", rf"({'|'.join(_OTHERS)})(\..*)?"),
    ("py:.*", "|".join(name for name in dir(builtins) if name[0] != "_")),
    # Values of literal types, parameters of types, and private bases.
    ("py:.*", r"'.*'"),
    ("py:.*", r"_[PRT]"),
    ("py:.*", r"arcflow\..*\._\w+"),
]
