"""A running import, as the command sees it."""

from datetime import datetime
from functools import cached_property

import attrs

from cleverreach_async.bulk.options import Settings
from cleverreach_async.bulk.report import ImportProgress, ImportReport
from cleverreach_async.cli.imports.account_check import AccountCheck
from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.cli.imports.consent import Consent, consent_of
from cleverreach_async.cli.imports.contents import Contents
from cleverreach_async.cli.imports.destination import Destination
from cleverreach_async.cli.imports.opt_in import OptInMails
from cleverreach_async.cli.imports.progress import Display
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.report.timeline import Timeline, TimelineRecorder
from cleverreach_async.sources import RowFile
from cleverreach_async.transport.clock import SYSTEM_CLOCK
from cleverreach_async.transport.transport import RequestEvent

__all__ = ["Job"]


def _now() -> datetime:
    return datetime.fromtimestamp(SYSTEM_CLOCK.now()).astimezone()


@attrs.define
class Job:
    """The state of an import, which is also read after an interruption.

    Attributes:
        arguments: The command line.
        output: Where to print.
        source: The rows.
        contents: What the rows contain.
        account_check: What a dry run has found in the account, if it is to look there.
        destination: Where the rows go, once it is known.
        display: What shows the progress, once the import has begun.
        report: The counters, once the import has ended.
        opt_ins: The activation mails, if any are to be sent.
        began: When it began.
        timeline: The events by time.
    """

    arguments: Arguments
    output: Output
    source: RowFile
    contents: Contents
    account_check: AccountCheck | None = None
    destination: Destination | None = None
    display: Display | None = None
    report: ImportReport | None = None
    opt_ins: OptInMails | None = None
    began: datetime = attrs.field(factory=_now)
    timeline: Timeline = attrs.field(factory=Timeline)

    @property
    def consent(self) -> Consent:
        """Whether the import makes receivers active."""
        send = self.arguments.send
        return consent_of(self.contents, send.strategy, Settings(**send.settings()))

    @cached_property
    def _recorder(self) -> TimelineRecorder:
        # Not before: the clock needs the event loop.
        return TimelineRecorder(self.timeline, SYSTEM_CLOCK)

    def on_progress(self, progress: ImportProgress) -> None:
        """Show a progress event and record it for the report."""
        self._recorder.on_progress(progress)
        if self.display is not None:
            self.display.show(progress)

    def on_event(self, event: RequestEvent) -> None:
        """Record a request for the report."""
        self._recorder.on_event(event)
