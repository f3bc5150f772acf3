"""The whole document."""

from .contents import contents
from .controls import controls
from .live import requests
from .markup import Html, tag
from .view import PageView


def document(view: PageView) -> str:
    """Return the page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{view.account.name} - CleverReach sandbox"),
        tag("link", rel="icon", href="data:,"),  # so that browsers ask for none
        tag("link", rel="stylesheet", href=f"{view.root}sandbox/page.css"),
        tag("script", src=f"{view.root}sandbox/page.js", defer=True),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("h1", "CleverReach sandbox"), _accounts(view), _exposed(view)),
        _sections(view),
        tag("main", requests(view), *contents(view), *controls(view), id="content", tabindex=-1),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}"


def _accounts(view: PageView) -> Html:
    """Return the links to the accounts, if there are several."""
    if len(view.names) == 1:
        return tag("p", f"Account {view.account.name}, invented data only.")
    links = (
        tag(
            "a",
            name,
            href=view.link(account=name),
            aria_current="page" if name == view.account.name else None,
        )
        for name in view.names
    )
    return tag("nav", tag("span", "Account: "), *links, aria_label="Accounts", class_="pages")


def _exposed(view: PageView) -> Html:
    """Say that other computers can see the page."""
    if not view.elsewhere:
        return Html()
    return tag(
        "p",
        tag("strong", "Other computers can open this page "),
        f"and change what it shows: the sandbox listens on {', '.join(view.elsewhere)}."
        " Use invented data only.",
        class_="error",
    )


_SECTIONS = {
    "requests": "Requests",
    "groups": "Groups",
    "receivers": "Receivers",
    "orders": "Orders",
    "mails": "E-mails",
    "webhooks": "Webhooks",
    "tokens": "Access",
    "faults": "Faults",
    "limits": "Limits",
    "switches": "Switches",
}


def _sections(view: PageView) -> Html:
    """Return the links to the sections, and one that shows the current data."""
    links = (tag("a", title, href=f"#{name}") for name, title in _SECTIONS.items())
    again = tag("a", "Refresh", href=view.link())
    return tag("nav", *links, again, aria_label="Sections", class_="pages")
