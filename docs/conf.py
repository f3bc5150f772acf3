"""Settings of the documentation: ``nox -s docs`` builds it, and every warning is an error."""

import re
from functools import cache
from typing import Any

from docutils import nodes
from pygments.lexers.special import TextLexer
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
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
add_module_names = False
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"
myst_heading_anchors = 3

nitpicky = True
nitpick_ignore_regex = [
    # No inventory of another project can be fetched while the pages are built.
    ("py:.*", r"(?!cleverreach_async|_)[a-z]\w*(\.\w+)*(\[\w+)?"),
    # Names of the standard library that annotations use without their module.
    ("py:.*", r"[A-Z]\w*|'.*'"),
    # What stands behind an argument or a result and has no name of its own for users.
    ("py:.*", r"cleverreach_async\.(accounts|auth|bulk|client|outbox|resources|sources)\..+"),
    ("py:.*", r"cleverreach_async\.(sandbox\.[a-z]+|transport|webhooks)\..+"),
]
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
maximum_signature_line_length = 72
napoleon_google_docstring = True
napoleon_use_ivar = True
python_display_short_literal_types = True
python_use_unqualified_type_names = True


def setup(app: Sphinx) -> None:
    """Resolve names by where they are imported from, and read docstrings of attributes as text."""
    texts: dict[str, list[str]] = {}

    def keep(_: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
        if what in {"attribute", "data", "property"}:
            texts[name] = list(lines)

    def restore(_: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
        lines[:] = texts.pop(name, lines)

    # Between these two, Napoleon takes the words before a colon for the type of an attribute.
    app.connect("autodoc-process-docstring", keep, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)
    app.connect("autodoc-process-signature", _signature)
    app.connect("doctree-resolved", _link_names)
    app.add_lexer("csv", TextLexer)
    app.connect("missing-reference", _public_reference)


def _signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, arguments: str | None, result: str
) -> tuple[str, str] | None:
    """Leave out how the library makes its objects, and show defaults that are made as ``...``."""
    if arguments is None:
        return None
    if what == "class" and (name.startswith(_MADE_HERE) or getattr(obj, "_is_protocol", False)):
        return "", ""
    arguments = re.sub(r"=\s*(NOTHING|<factory>)", "= ...", arguments)
    return re.sub(r"[~\w.]*Annotated\[(.+?), '[^']*'\]", r"\1", arguments), result


_MADE_HERE = (
    "cleverreach_async.bulk.importer.",
    "cleverreach_async.resources.",
    "cleverreach_async.sources.",
    *(
        f"cleverreach_async.{name}"
        for name in (
            *("Accounts", "BackgroundOrders", "Export", "ImportRun", "OutboxEntry", "Paginator"),
            *("ResultStream", "sandbox.SandboxAccount"),
        )
    ),
)
"""The names of classes whose objects users get from a call."""


def _link_names(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Link the names of classes and functions in the text of pages to the reference."""
    if page.startswith("reference/"):
        return
    objects = app.env.get_domain("py").objects
    for literal in [*doctree.findall(nodes.literal)]:
        name = literal.astext().partition("(")[0]
        target = objects.get(f"cleverreach_async.{name}")
        if target is None or isinstance(literal.parent, nodes.reference | nodes.title):
            continue
        uri = app.builder.get_relative_uri(page, target.docname)
        link = nodes.reference("", "", literal.deepcopy(), refuri=f"{uri}#{target.node_id}")
        literal.replace_self(link)


def _public_reference(app: Sphinx, env: Any, node: Any, content: nodes.Element) -> Any:
    target: str = node.get("reftarget", "")
    domain = env.get_domain("py")
    full = _documented(domain).get(_key(target))
    if full is None or full == target:
        return None
    node["reftarget"] = full
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], full, node, content
    )


@cache
def _documented(domain: Any) -> dict[tuple[bool, str], str]:
    """Return the name on the pages of each class and function, by what docstrings may call it."""
    found: dict[tuple[bool, str], str] = {}
    for full, it in domain.objects.items():
        if it.objtype in {"class", "exception", "function", "data"}:
            found.setdefault(_key(full), full)
            found.setdefault((False, _key(full)[1]), full)
    return found


def _key(target: str) -> tuple[bool, str]:
    """Return what tells two classes apart: the sandbox has a ``Fault`` of its own."""
    return target.startswith("cleverreach_async.sandbox."), target.rpartition(".")[2]
