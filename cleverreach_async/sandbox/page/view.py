"""What one request for the page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode

from cleverreach_async.sandbox.account import SandboxAccount
from cleverreach_async.sandbox.faults import Faults
from cleverreach_async.sandbox.recording import RequestLog

from .markup import Html, tag


class Notice(NamedTuple):
    """What an action has done, or why it has not.

    Attributes:
        section: The id of the section that shows it.
        text: The words.
        is_error: Whether nothing was done.
    """

    section: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PageView:
    """What the page shows.

    Attributes:
        account: The account.
        names: The names of all accounts.
        log: The requests.
        faults: The current faults.
        elsewhere: The addresses that other computers may connect to.
        base_url: The base URL of the API.
        root: The relative path to the page.
        notice: The outcome of an action.
        typed: What was typed into a form that was refused.
        query: The query of the page: ``group``, ``after`` and ``find``.
    """

    account: SandboxAccount
    names: list[str]
    log: RequestLog
    faults: Faults
    elsewhere: list[str]
    base_url: str
    root: str = ""
    notice: Notice | None = None
    typed: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    def link(self, section: str = "", **query: str | int) -> str:
        """Return the address of the page with a query, at a section."""
        target = f"{self.root or './'}?{urlencode({'account': self.account.name, **query})}"
        return f"{target}#{section}" if section else target

    def form(self, action: str, *content: str, **attributes: str | None) -> Html:
        """Return a form that runs an action on the account."""
        account = tag("input", type="hidden", name="account", value=self.account.name)
        target = f"{self.root}sandbox/{action}"
        return tag("form", account, *content, method="post", action=target, **attributes)

    def section(self, name: str, title: str, *content: str) -> Html:
        """Return a section with its heading and, if it is about it, the notice."""
        notice = Html()
        if self.notice is not None and self.notice.section == name:
            is_error = self.notice.is_error
            notice = tag(
                "p",
                tag("strong", "Not done: " if is_error else "Done: "),
                self.notice.text,
                id="notice",
                class_="error" if is_error else "done",
                role="alert" if is_error else "status",
                tabindex=-1,
            )
        heading = tag("h2", title, id=f"{name}-heading")
        return tag("section", heading, notice, *content, id=name, aria_labelledby=f"{name}-heading")
