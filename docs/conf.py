"""Settings of the documentation: ``nox -s docs`` builds it, and every warning is an error."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

import cleverreach_async

project = "cleverreach-async"
author = "The authors of cleverreach-async"
version = release = cleverreach_async.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_llms_txt",
]
html_theme = "furo"
html_title = f"{project} {version}"
myst_heading_anchors = 3
myst_enable_extensions = ["fieldlist"]

nitpicky = True
nitpick_ignore_regex = [
    # No inventory of another project can be fetched while the pages are built.
    ("py:.*", r"(?!cleverreach_async|_)[a-z]\w*(\.\w+)*"),
]
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
maximum_signature_line_length = 88
napoleon_google_docstring = True
python_display_short_literal_types = True


def setup(app: Sphinx) -> None:
    """Resolve names by where they are imported from, not by where they are defined."""
    app.connect("missing-reference", _public_reference)


def _public_reference(app: Sphinx, env: Any, node: Any, content: nodes.Element) -> Any:
    target: str = node.get("reftarget", "")
    name = target.rpartition(".")[2]
    domain = env.get_domain("py")
    for full in (f"cleverreach_async.{name}", f"cleverreach_async.sandbox.{name}"):
        if full in domain.objects:
            node["reftarget"] = full
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, node["reftype"], full, node, content
            )
    return None
