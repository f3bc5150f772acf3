"""Double opt-in after an import: send each new receiver one activation mail, and never two."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Final

import anyio
import attrs

from cleverreach_async.bulk.opt_in.mail_list import OptInList, OptInMail, OptInState
from cleverreach_async.errors import (
    APIStatusError,
    AuthenticationError,
    CleverReachError,
    ConfigurationError,
    NotFoundError,
    ResponseDecodeError,
)
from cleverreach_async.resources.forms import Form, Forms
from cleverreach_async.resources.sign_up_steps import send_when_found
from cleverreach_async.transport.arguments import check_plain_functions
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.retry import diagnose

__all__ = ["OptInReport", "find_form", "send_opt_ins", "state_after"]

MAX_CONCURRENCY: Final = 8

_PATH: Final = "/forms/{form_id}/send/activate"
_FAILURES_TO_STOP: Final = 10
"""Number of mails in a row that fail for the same reason."""

_FORMS_SHOWN: Final = 10

_ADVICE: Final[Mapping[int, str]] = {
    HTTPStatus.FORBIDDEN: ". Check the contact licence of the account and the rights of the app",
    HTTPStatus.NOT_FOUND: ". Check form and group",
}


@attrs.define(kw_only=True)
class OptInReport:
    """The result of one call.

    Attributes:
        sent: Mails that the server says were sent.
        refused: Mails that it refused to send.
        unknown: Mails whose response was lost; they are not sent again.
        pending: Mails that remain to be sent.
        stopped: Why mails remain to be sent; empty if none do.
        reasons: Number of refused and unknown mails by reason.
    """

    sent: int = 0
    refused: int = 0
    unknown: int = 0
    pending: int = 0
    stopped: str = ""
    reasons: Counter[str] = attrs.field(factory=Counter[str])


def _never() -> bool:
    return False


async def send_opt_ins(
    forms: Forms,
    form_id: int,
    mails: OptInList,
    *,
    group_id: int,
    user_ip: str,
    referer: str,
    user_agent: str,
    concurrency: int = 4,
    on_progress: Callable[[OptInReport], None] | None = None,
    should_stop: Callable[[], bool] = _never,
    clock: Clock = SYSTEM_CLOCK,
) -> OptInReport:
    """Send the activation mail of a form to every receiver in a list.

    Each mail is sent once: if the response is lost, its state is ``unknown``. The call stops, and
    leaves the remaining mails pending, if the server cannot be reached, if the credentials are no
    longer valid, and after ten mails in a row that were refused for the same reason or got no
    response. The ten refused mails stay pending as well, because ten addresses in a row are not
    all invalid. To continue, call it again with the same list.

    If the caller is cancelled, up to ``concurrency`` mails may become unknown.

    Args:
        forms: The forms of the account, ``cr.forms``.
        form_id: The form whose mail is sent.
        mails: The list. The receivers must exist in the group and be inactive.
        group_id: The group.
        user_ip: Evidence of consent: IP address of the sign-up.
        referer: Evidence of consent: page of the sign-up.
        user_agent: Evidence of consent: browser of the sign-up.
        concurrency: Requests in flight, 1 to 8.
        on_progress: Called after each mail.
        should_stop: Called before each mail; requests in flight complete first.
        clock: Source of time, for tests.

    Raises:
        ConfigurationError: An argument is invalid, or the list cannot be written.
    """
    check_plain_functions(on_progress=on_progress, should_stop=should_stop)
    check_number("concurrency", concurrency, least=1, most=MAX_CONCURRENCY)
    for name, text in (("user_ip", user_ip), ("referer", referer), ("user_agent", user_agent)):
        if not str(text).strip():
            raise ConfigurationError(f"{name} is empty; the API sends no mail without it")
    send = partial(
        forms.send_activation,
        check_id("form_id", form_id),
        group_id=check_id("group_id", group_id),
        user_ip=user_ip,
        referer=referer,
        user_agent=user_agent,
    )
    sender = _OptInSender(send, mails, clock, on_progress, should_stop)
    await sender.run(concurrency)
    return sender.report


async def find_form(forms: Forms, form_id: int) -> Form:
    """Return a form.

    Args:
        forms: The forms of the account, ``cr.forms``.
        form_id: The form.

    Raises:
        ConfigurationError: There is no such form.
        CleverReachError: A call failed.
    """
    try:
        return await forms.get(form_id)
    except NotFoundError:
        known = [f"{form.id} ({form.name})" for form in await forms.list()]
        there = f"there are {', '.join(known[:_FORMS_SHOWN])}" if known else "the account has none"
        raise ConfigurationError(f"there is no form {form_id}; {there}") from None


def state_after(error: CleverReachError) -> OptInState:
    """Return the state of a mail after an error.

    ``PENDING`` means that it was certainly not sent, and that others would fail as well.
    """
    if isinstance(error, ResponseDecodeError):
        return OptInState.UNKNOWN
    diagnosis = diagnose(error, _PATH)
    if diagnosis.perhaps_executed:
        return OptInState.UNKNOWN
    is_final = isinstance(error, APIStatusError) and diagnosis.fault is None
    is_refused = is_final and not isinstance(error, AuthenticationError)
    return OptInState.REFUSED if is_refused else OptInState.PENDING


def _reason_of(error: CleverReachError) -> str:
    """Return the reason as a text that is the same for every such mail."""
    if isinstance(error, APIStatusError):
        return f"{error.status_code} {error.message}"
    return str(error)


@attrs.define(eq=False)
class _OptInSender:
    """Workers that send the mails of a list.

    Attributes:
        send: Sends a mail to the address passed as ``email``.
        mails: The list.
        clock: Source of time.
        on_progress: Called after each mail.
        should_stop: Called before each mail.
        report: The counters.
    """

    send: Callable[..., Awaitable[None]]
    mails: OptInList
    clock: Clock
    on_progress: Callable[[OptInReport], None] | None
    should_stop: Callable[[], bool]
    report: OptInReport = attrs.field(factory=OptInReport, init=False)
    _streak: list[OptInMail] = attrs.field(factory=list[OptInMail], init=False)
    _streak_key: str = attrs.field(default="", init=False)
    _reason_to_stop: str | None = attrs.field(default=None, init=False)
    _error: Exception | None = attrs.field(default=None, init=False)

    async def run(self, concurrency: int) -> None:
        """Send mails until none is pending, or the others would fail as well."""
        async with anyio.create_task_group() as tasks:
            for _ in range(concurrency):
                tasks.start_soon(self._work)
        if self._error is not None:
            raise self._error
        self.report.pending = self.mails.counts()[OptInState.PENDING]

    async def _work(self) -> None:
        try:
            while not self.report.stopped and self._error is None:
                if self.should_stop():
                    self._stop("stop was requested")
                    return
                mail = self.mails.take_next()
                if mail is None:
                    return
                await self._send(mail)
                if self.on_progress is not None:
                    self.on_progress(self.report)
        except Exception as error:  # noqa: BLE001 - raised by run(), where no group wraps it
            self._error = self._error or error

    async def _send(self, mail: OptInMail) -> None:
        try:
            await send_when_found(partial(self.send, email=mail.email), self.clock)
        except CleverReachError as error:
            self._record_failure(mail, error)
            return
        self.mails.record(mail.number, OptInState.SENT)
        self.report.sent += 1
        self._streak.clear()

    def _record_failure(self, mail: OptInMail, error: CleverReachError) -> None:
        state, reason = state_after(error), _reason_of(error)
        # Requests that were in flight when a streak of refusals ended belong to that streak.
        if state is OptInState.PENDING or reason == self._reason_to_stop:
            self.mails.record(mail.number, OptInState.PENDING)
            self._stop(reason)
            return
        self.mails.record(mail.number, state, reason)
        self.report.reasons[reason] += 1
        if state is OptInState.UNKNOWN:
            self.report.unknown += 1
        else:
            self.report.refused += 1
        key = state.value if state is OptInState.UNKNOWN else reason
        if key != self._streak_key:
            self._streak, self._streak_key = [], key
        self._streak.append(mail)
        if len(self._streak) < _FAILURES_TO_STOP:
            return
        if state is OptInState.UNKNOWN:
            self._stop(f"{len(self._streak)} mails in a row got no response: {reason}")
        else:
            self._revert_refusals(error, reason)

    def _revert_refusals(self, error: CleverReachError, reason: str) -> None:
        """Stop after a streak of refusals, and leave its mails pending."""
        for mail in self._streak:
            self.mails.record(mail.number, OptInState.PENDING)
        number = len(self._streak)
        self.report.refused -= number
        self.report.reasons -= Counter({reason: number})
        advice = _ADVICE.get(getattr(error, "status_code", 0), "")
        self._stop(f"{number} mails in a row were refused: {reason}{advice}")
        self._streak, self._reason_to_stop = [], reason

    def _stop(self, why: str) -> None:
        self.report.stopped = self.report.stopped or why
