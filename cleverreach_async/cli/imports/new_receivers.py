"""The options about new receivers: whether they are active, and the mail that lets them confirm."""

from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.errors import ConfigurationError

__all__ = [
    "Newcomers",
    "OptInOptions",
    "check_opt_in_files",
    "list_path",
    "newcomers",
    "unsent_path",
]

_PANEL: Final = "New receivers"

Inactive = Annotated[
    bool,
    typer.Option(
        "--inactive",
        help="Add new receivers as not yet confirmed, whatever the file says, and leave alone those"
        " whom the group has already. It sends by insert.",
        rich_help_panel=_PANEL,
    ),
]
DoubleOptIn = Annotated[
    int | None,
    typer.Option(
        "--double-opt-in",
        metavar="FORM_ID",
        help="After the import mail this form's activation to every receiver it has added. Needs"
        " --inactive and the three options that follow: CleverReach keeps them as the evidence of"
        " where people signed up. Nobody gets a second mail.",
        rich_help_panel=_PANEL,
    ),
]
DoiIp = Annotated[
    str | None,
    typer.Option(
        "--doi-ip",
        metavar="ADDRESS",
        help="IP address that the sign-ups came from, or of the system that took them.",
        rich_help_panel=_PANEL,
    ),
]
DoiReferer = Annotated[
    str | None,
    typer.Option(
        "--doi-referer",
        metavar="URL",
        help="The page on which people signed up.",
        rich_help_panel=_PANEL,
    ),
]
DoiUserAgent = Annotated[
    str | None,
    typer.Option(
        "--doi-user-agent",
        metavar="TEXT",
        help="Their browser, or the name of the system that took the sign-ups.",
        rich_help_panel=_PANEL,
    ),
]


@attrs.frozen(kw_only=True)
class OptInOptions:
    """The activation mails after an import.

    Attributes:
        form_id: The form whose mail is sent.
        user_ip: Evidence of the sign-up: the IP address.
        referer: The page.
        user_agent: The browser.
    """

    form_id: int
    user_ip: str
    referer: str
    user_agent: str


@attrs.frozen(kw_only=True)
class Newcomers:
    """What becomes of new receivers.

    Attributes:
        inactive: Whether they are added as not yet confirmed.
        opt_in: The mails that let them confirm, if any.
    """

    inactive: bool = False
    opt_in: OptInOptions | None = None

    def __attrs_post_init__(self) -> None:
        if self.opt_in is not None and not self.inactive:
            raise ConfigurationError(
                "--double-opt-in is for receivers who have yet to confirm: add --inactive"
            )

    def strategy(self, wanted: StrategyName) -> StrategyName:
        """Return the batch call, given that of ``--strategy``.

        Raises:
            ConfigurationError: They do not fit each other.
        """
        if not self.inactive:
            return wanted
        # upsertplus is the default, so nobody need have asked for it.
        if wanted not in {"upsertplus", "insert"}:
            raise ConfigurationError(
                f"--inactive adds new receivers by insert, and does not go with --strategy {wanted}"
            )
        return "insert"


def newcomers(
    *,
    inactive: Inactive = False,
    double_opt_in: DoubleOptIn = None,
    doi_ip: DoiIp = None,
    doi_referer: DoiReferer = None,
    doi_user_agent: DoiUserAgent = None,
) -> Newcomers:
    """Return what becomes of new receivers.

    Raises:
        ConfigurationError: Options are missing, or do not fit each other.
    """
    evidence = {
        "--doi-ip": doi_ip or "",
        "--doi-referer": doi_referer or "",
        "--doi-user-agent": doi_user_agent or "",
    }
    given = [name for name, text in evidence.items() if text.strip()]
    if double_opt_in is None:
        if given:
            raise ConfigurationError(f"{given[0]} goes with --double-opt-in FORM_ID")
        return Newcomers(inactive=inactive)
    missing = [name for name in evidence if name not in given]
    if missing:
        raise ConfigurationError(
            f"--double-opt-in needs {', '.join(missing)}: CleverReach takes no mail without the"
            " evidence of where people signed up"
        )
    ip, referer, user_agent = evidence.values()
    opt_in = OptInOptions(form_id=double_opt_in, user_ip=ip, referer=referer, user_agent=user_agent)
    return Newcomers(inactive=inactive, opt_in=opt_in)


def list_path(rejects: Path) -> Path:
    """Return where the mails that are still to be sent are kept: beside the rejects."""
    return rejects.with_name(f"{rejects.name.removesuffix('.jsonl')}.opt-in")


def unsent_path(rejects: Path) -> Path:
    """Return where the mails that were not sent are written for people to read."""
    return rejects.with_name(f"{rejects.name.removesuffix('.jsonl')}.opt-in.jsonl")


def check_opt_in_files(file: Path, rejects: Path) -> None:
    """Refuse to write the files of the mails over the rows themselves.

    Raises:
        ConfigurationError: They would be.
    """
    if file.resolve() in {list_path(rejects).resolve(), unsent_path(rejects).resolve()}:
        raise ConfigurationError(
            f"{file} is where the activation mails are kept; import it under another name, or name"
            " another rejects file with --rejects"
        )
