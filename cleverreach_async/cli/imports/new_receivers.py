"""The options about new receivers: whether they are active, and the mail that lets them confirm."""

from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from cleverreach_async.errors import ConfigurationError

__all__ = ["NewReceiverOptions", "check_opt_in_files", "list_path", "unsent_path"]

_PANEL: Final = "New receivers"


@attrs.frozen(kw_only=True)
class NewReceiverOptions:
    """What becomes of new receivers."""

    inactive: Annotated[
        bool,
        typer.Option(
            "--inactive",
            help="Add new receivers as not yet confirmed, whatever the file says, and leave alone"
            " those whom the group has already. It sends by insert.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    form_id: Annotated[
        int | None,
        typer.Option(
            "--double-opt-in",
            metavar="FORM_ID",
            help="After the import mail this form's activation to every receiver it has added."
            " Needs --inactive and the three options that follow: CleverReach keeps them as the"
            " evidence of where people signed up. Nobody gets a second mail.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    user_ip: Annotated[
        str,
        typer.Option(
            "--doi-ip",
            metavar="ADDRESS",
            help="IP address that the sign-ups came from, or of the system that took them.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = ""
    referer: Annotated[
        str,
        typer.Option(
            "--doi-referer",
            metavar="URL",
            help="The page on which people signed up.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = ""
    user_agent: Annotated[
        str,
        typer.Option(
            "--doi-user-agent",
            metavar="TEXT",
            help="Their browser, or the name of the system that took the sign-ups.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = ""

    def __attrs_post_init__(self) -> None:
        evidence = {
            "--doi-ip": self.user_ip,
            "--doi-referer": self.referer,
            "--doi-user-agent": self.user_agent,
        }
        given = [name for name, text in evidence.items() if text.strip()]
        missing = [name for name in evidence if name not in given]
        if self.form_id is None:
            if given:
                raise ConfigurationError(f"{given[0]} goes with --double-opt-in FORM_ID")
        elif missing:
            raise ConfigurationError(
                f"--double-opt-in needs {', '.join(missing)}: CleverReach takes no mail without the"
                " evidence of where people signed up"
            )
        elif not self.inactive:
            raise ConfigurationError(
                "--double-opt-in is for receivers who have yet to confirm: add --inactive"
            )


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
