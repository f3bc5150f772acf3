"""Activation mails after an import: addresses are collected during it, and mailed after it.

They are in a file beside the rejects file as soon as their rows are accepted, so a crash between
the import and the mails loses none. The file is deleted when every mail has a result.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from cleverreach_async.bulk.opt_in.mail_list import OptInList, OptInState
from cleverreach_async.bulk.opt_in.mails import OptInReport, find_form, send_opt_ins
from cleverreach_async.bulk.outcomes.checkpoint import OnAccepted
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.cli.imports.paths import opt_in_list_path, same_command, unsent_mails_path
from cleverreach_async.cli.output import Output
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.forms import Form

__all__ = ["OptInMails", "look_up_form"]

_SHOWN_EVERY: Final = 500

Deliver = Callable[[OnAccepted], Awaitable[ImportReport]]


async def look_up_form(client: CleverReach, arguments: Arguments) -> Form | None:
    """Return the form of the mails, if there are to be any, before anything is created or sent.

    Raises:
        ConfigurationError: The form does not exist.
    """
    form_id = arguments.send.new_receivers.form_id
    return None if form_id is None else await find_form(client.forms, form_id)


class OptInMails:
    """The mails of one import.

    Args:
        form: The form whose mail is sent.
        arguments: The command line.
        group_id: The group of the rows.
        output: Where to print.

    Attributes:
        result: The result of the mails; ``None`` until they are sent.
        unsent: The file of the mails that were not sent, if there are any.
    """

    def __init__(self, form: Form, arguments: Arguments, *, group_id: int, output: Output) -> None:
        self._form = form
        self._arguments = arguments
        self._group_id = group_id
        self._output = output
        self.result: OptInReport | None = None
        self.unsent: Path | None = None

    async def run(
        self, client: CleverReach, deliver: Deliver, *, should_stop: Callable[[], bool]
    ) -> ImportReport:
        """Import, then mail the receivers that were added unless the import stopped early.

        Args:
            client: The account.
            deliver: Runs the import; it is passed a function that takes the accepted addresses.
            should_stop: Called before each mail.

        Raises:
            ConfigurationError: The list cannot be used.
            ImportFailedError: The import stopped early; the mails stay in the list.
        """
        path = opt_in_list_path(self._arguments.rejects)
        with OptInList(path, about={"group": self._group_id, "form": self._form.id}) as mails:
            try:
                report = await deliver(mails.add)
                if not report.stopped:
                    await self._send(client, mails, should_stop)
            finally:
                try:
                    self._finish(mails, path)
                except ConfigurationError as error:
                    self._output.warn(str(error))
        return report

    async def _send(
        self, client: CleverReach, mails: OptInList, should_stop: Callable[[], bool]
    ) -> None:
        """Send the pending mails, including those of earlier runs."""
        count = mails.counts()[OptInState.PENDING]
        self._output.info(f"sending {count:,} activation mails of form {self._form.id}")
        evidence = self._arguments.send.new_receivers
        self.result = await send_opt_ins(
            client.forms,
            self._form.id,
            mails,
            group_id=self._group_id,
            user_ip=evidence.user_ip,
            referer=evidence.referer,
            user_agent=evidence.user_agent,
            on_progress=self._show,
            should_stop=should_stop,
        )

    def _show(self, report: OptInReport) -> None:
        done = report.sent + report.refused + report.unknown
        if done and done % _SHOWN_EVERY == 0:
            self._output.info(f"{done:,} mails")

    def _finish(self, mails: OptInList, path: Path) -> None:
        """Write the mails that were not sent to a file; delete the list if none is pending."""
        unsent = unsent_mails_path(self._arguments.rejects)
        self.unsent = unsent if mails.write_unsent(unsent) else None
        count = mails.counts()[OptInState.PENDING]
        if not count:
            mails.remove()
            return
        # The journal of a complete import cannot be resumed.
        is_complete = self._arguments.send.journal is not None and self.result is not None
        command = same_command(self._arguments)
        command += " without --journal and --resume" if is_complete else ""
        self._output.advise(
            f"{count:,} activation mails are pending in {path}; {command} sends them"
        )

    def as_json(self) -> dict[str, Any] | None:
        """Return the result as plain values; ``None`` until the mails are sent."""
        result = self.result
        if result is None:
            return None
        return {
            **self._counts(result),
            "stopped": result.stopped or None,
            "unsent": self.unsent and str(self.unsent),
        }

    def as_text(self) -> str:
        """Return the result as a sentence; empty until the mails are sent."""
        if self.result is None:
            return ""
        counts = self._counts(self.result).items()
        shown = [f"{count:,} {name}" for name, count in counts if count or name == "sent"]
        see = f" (see {self.unsent})" if self.unsent else ""
        return f"Activation mails: {', '.join(shown)}{see}."

    @staticmethod
    def _counts(result: OptInReport) -> dict[str, int]:
        return {name: getattr(result, name) for name in ("sent", "refused", "unknown", "pending")}
