"""Activation mails after an import: addresses are kept while it runs, and mailed when it is over.

They are in a file beside the rejects from the moment their rows are accepted, so that a crash
between import and mails loses nobody. The file is gone when every mail has its outcome.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from cleverreach_async.bulk.opt_in.mail_list import OptInList, OptInState
from cleverreach_async.bulk.opt_in.mails import OptInReport, find_form, send_opt_ins
from cleverreach_async.bulk.outcomes.checkpoint import OnAccepted
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.cli.imports.new_receivers import (
    NewReceiverOptions,
    list_path,
    unsent_path,
)
from cleverreach_async.cli.output import Output, plain
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.forms import Form

__all__ = ["OptInMails", "describe", "look_up_form"]

_TOLD_EVERY: Final = 500

Deliver = Callable[[OnAccepted], Awaitable[ImportReport]]


async def look_up_form(client: CleverReach, options: NewReceiverOptions) -> Form | None:
    """Return the form of the mails, if any, before anything is created or sent.

    Raises:
        ConfigurationError: There is no such form.
    """
    form_id = options.form_id
    return None if form_id is None else await find_form(client.forms, form_id)


class OptInMails:
    """The mails of one import.

    Args:
        form: Whose mail is sent.
        options: The evidence of where people signed up.
        group_id: Where the rows go.
        rejects: The rejects file, beside which the list is kept.
        journaled: Whether the import has a journal, which cannot be resumed once it is complete.
        output: Where to print.

    Attributes:
        result: What became of the mails; ``None`` when none were to be sent yet.
        unsent: Where those that were not sent are written, if there are any.
    """

    def __init__(
        self,
        form: Form,
        options: NewReceiverOptions,
        *,
        group_id: int,
        rejects: Path,
        journaled: bool,
        output: Output,
    ) -> None:
        self._form = form
        self._options = options
        self._group_id = group_id
        self._rejects = rejects
        self._output = output
        self._journaled = journaled
        self.result: OptInReport | None = None
        self.unsent: Path | None = None

    def _write_unsent(self, waiting: OptInList) -> None:
        """Write the mails that were not sent, and keep the list only while mails wait in it."""
        path = unsent_path(self._rejects)
        self.unsent = path if waiting.write_unsent(path) else None
        count = waiting.counts()[OptInState.PENDING]
        if count:
            is_complete = self._journaled and self.result is not None
            how = " without --journal and --resume" if is_complete else ""
            words = f"{count:,} activation mails wait in {list_path(self._rejects)}"
            self._output.note(plain(f"{words}; the same command{how} sends them"))
        else:
            waiting.remove()

    async def run(
        self,
        client: CleverReach,
        deliver: Deliver,
        *,
        should_stop: Callable[[], bool],
    ) -> ImportReport:
        """Import, and mail those who were added unless the import stopped early.

        Args:
            client: The account.
            deliver: Runs the import, and tells the addresses of accepted rows.
            should_stop: Asked before each mail.

        Raises:
            ConfigurationError: The list cannot be used.
            ImportFailedError: The import stopped early; mails wait in the list.
        """
        about = {"group": self._group_id, "form": self._form.id}
        with OptInList(list_path(self._rejects), about=about) as waiting:
            try:
                report = await deliver(waiting.add)
                if not report.stopped:
                    await self._send(client, waiting, should_stop)
            finally:
                try:
                    self._write_unsent(waiting)
                except ConfigurationError as error:
                    self._output.warn(plain(str(error)))
        return report

    async def _send(
        self, client: CleverReach, waiting: OptInList, should_stop: Callable[[], bool]
    ) -> None:
        """Send the mails that wait, those of earlier runs included."""
        options, form_id = self._options, self._form.id
        count = waiting.counts()[OptInState.PENDING]
        self._output.note(f"{count:,} activation mails are sent by form {form_id}")
        self.result = await send_opt_ins(
            client.forms,
            form_id,
            waiting,
            group_id=self._group_id,
            user_ip=options.user_ip,
            referer=options.referer,
            user_agent=options.user_agent,
            on_progress=self._show,
            should_stop=should_stop,
        )

    def _show(self, report: OptInReport) -> None:
        done = report.sent + report.refused + report.unknown
        if done and done % _TOLD_EVERY == 0:
            self._output.note(f"{done:,} mails")


def describe(opt_ins: OptInMails) -> tuple[dict[str, Any] | None, str]:
    """Return what became of the mails, as plain values and for a person."""
    result, unsent = opt_ins.result, opt_ins.unsent
    if result is None:
        return None, ""
    counts = {name: getattr(result, name) for name in ("sent", "refused", "unknown", "pending")}
    told = [f"{count:,} {name}" for name, count in counts.items() if count or name == "sent"]
    words = f"Activation mails: {', '.join(told)}" + (f" (see {unsent})." if unsent else ".")
    values = {**counts, "stopped": result.stopped or None, "unsent": unsent and str(unsent)}
    return values, words
