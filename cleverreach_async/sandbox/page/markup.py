"""HTML that is safe by construction: every text is escaped unless it is HTML already."""

from collections.abc import Iterable, Sequence
from html import escape

_EMPTY = frozenset({"input", "link", "meta"})
"""Elements without content and without an end."""
_LONG = 30


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def join(parts: Iterable[str]) -> Html:
    """Return the HTML of several parts."""
    return Html("".join(it if isinstance(it, Html) else escape(it) for it in parts))


def tag(name: str, /, *content: str, **attributes: str | int | bool | None) -> Html:
    """Return an element.

    Args:
        name: The name of the element.
        *content: What it contains; text is escaped.
        **attributes: ``class_`` is ``class``, and ``aria_label`` is ``aria-label``. False and None
            leave an attribute out; True has no value.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        words.append(attribute if value is True else f'{attribute}="{escape(str(value))}"')
    start = f"<{' '.join(words)}>"
    return Html(start if name in _EMPTY else f"{start}{join(content)}</{name}>")


def table(
    label: str, heads: Sequence[str], rows: Iterable[Sequence[str]], body_id: str | None = None
) -> Html:
    """Return a table that scrolls on its own if it is too wide; the keyboard can scroll it.

    Args:
        label: What it contains, for a screen reader.
        heads: The headings of the columns; the first cell of each row is the heading of the row.
        rows: The cells.
        body_id: The id of its body.
    """
    head = tag("tr", *(tag("th", it, scope="col") for it in heads))
    lines = (
        tag(
            "tr",
            tag("th", first, scope="row"),
            *(tag("td", it, class_=_class_of(it)) for it in cells),
        )
        for first, *cells in rows
    )
    whole = tag(
        "table",
        tag("caption", label, class_="hidden"),
        tag("thead", head),
        tag("tbody", *lines, id=body_id),
    )
    return tag("div", whole, class_="wide", role="region", aria_label=label, tabindex=0)


def _class_of(cell: str) -> str | None:
    """Return the class of a cell: long text is wrapped."""
    return "text" if not isinstance(cell, Html) and len(cell) > _LONG else None


def field(label: str, control: Html, *, hint: str = "", hint_id: str | None = None) -> Html:
    """Return a control inside its label, and a hint below."""
    words = tag("small", hint, id=hint_id) if hint else Html()
    return tag("div", tag("label", tag("span", label), control), words, class_="field")


def select(name: str, choices: Iterable[str], chosen: str, **attributes: str | None) -> Html:
    """Return a list to choose from."""
    options = (tag("option", it or "none", value=it, selected=it == chosen) for it in choices)
    return tag("select", *options, name=name, **attributes)
