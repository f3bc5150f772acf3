"""Double opt-in after an import: one activation mail to each new receiver, and never two."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final, TypedDict

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
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock
from cleverreach_async.transport.retry import diagnose

__all__ = ["OptInReport", "find_form", "send_opt_ins", "state_after"]

MOST_AT_ONCE: Final = 8

_PATH: Final = "/forms/{form_id}/send/activate"
_WAITS: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds. A new receiver is not visible to forms at once."""

_IN_A_ROW: Final = 10
_SHOWN: Final = 10


@attrs.define(kw_only=True)
class OptInReport:
    """What became of the mails of one call.

    Attributes:
        sent: Mails that the server says it sent.
        refused: Mails that it refused to send.
        unknown: Mails whose answer was lost; they are not sent again.
        pending: Mails that are left to be sent.
        stopped: Why some are; empty when none are.
        reasons: Number of mails that were refused or are unknown, by reason.
    """

    sent: int = 0
    refused: int = 0
    unknown: int = 0
    pending: int = 0
    stopped: str = ""
    reasons: dict[str, int] = attrs.field(factory=dict[str, int])


OnMail = Callable[[OptInReport], None]


def _never() -> bool:
    return False


class _Proof(TypedDict):
    user_ip: str
    referer: str
    user_agent: str


async def send_opt_ins(
    forms: Forms,
    form_id: int,
    waiting: OptInList,
    *,
    group_id: int,
    user_ip: str,
    referer: str,
    user_agent: str,
    concurrency: int = 4,
    on_progress: OnMail | None = None,
    should_stop: Callable[[], bool] = _never,
    clock: Clock = SYSTEM_CLOCK,
) -> OptInReport:
    """Send the activation mail of a form to every receiver of a list.

    A mail is sent once: after a lost answer it is ``unknown``. It stops, and leaves the rest
    pending, when the server cannot be reached, when the credentials no longer work, and after ten
    mails in a row that were refused alike or went unanswered. Ten refusals stay pending too: one
    address may be to blame for its own, but not for those of nine others. Call it again with the
    same list to go on.

    A caller who is cancelled may find up to ``concurrency`` mails unknown.

    Args:
        forms: The account's, ``cr.forms``.
        form_id: The form whose mail is sent.
        waiting: The list. The receivers have to exist in the group and be inactive.
        group_id: The group.
        user_ip: With the two that follow the proof of where they signed up: the IP address.
        referer: The page.
        user_agent: The browser.
        concurrency: Mails on the wire at a time, 1 to 8.
        on_progress: Called after each mail.
        should_stop: Asked before each mail; those on the wire end first.
        clock: Source of time, for tests.

    Raises:
        ConfigurationError: An argument cannot be used, or the list cannot be written.
    """
    if not 1 <= concurrency <= MOST_AT_ONCE:
        raise ConfigurationError(f"concurrency is {concurrency}; it goes from 1 to {MOST_AT_ONCE}")
    proof: _Proof = {"user_ip": user_ip, "referer": referer, "user_agent": user_agent}
    for name, text in proof.items():
        if not str(text).strip():
            raise ConfigurationError(f"{name} is empty; the API takes no mail without it")
    mailing = _Mailing(
        partial(forms.send_activation, form_id, group_id=group_id, **proof),
        waiting,
        clock,
        on_progress,
        should_stop,
    )
    await mailing.run(concurrency)
    return mailing.report


async def find_form(forms: Forms, form_id: int) -> Form:
    """Return a form, before anything relies on it.

    Args:
        forms: The account's, ``cr.forms``.
        form_id: The form.

    Raises:
        ConfigurationError: There is no such form.
        CleverReachError: A call failed.
    """
    try:
        return await forms.get(form_id)
    except NotFoundError:
        known = [f"{form.id} ({form.name})" for form in await forms.list()]
        there = f"there are {', '.join(known[:_SHOWN])}" if known else "the account has none"
        raise ConfigurationError(f"there is no form {form_id}; {there}") from None


def state_after(error: CleverReachError) -> OptInState:
    """Return what an error means for the mail that met it.

    ``PENDING`` means that it was surely not sent, and that others will not be either.
    """
    if isinstance(error, ResponseDecodeError):
        return OptInState.UNKNOWN
    diagnosis = diagnose(error, _PATH)
    if diagnosis.perhaps_executed:
        return OptInState.UNKNOWN
    is_refusal = isinstance(error, APIStatusError) and diagnosis.fault is None
    return (
        OptInState.REFUSED
        if is_refusal and not isinstance(error, AuthenticationError)
        else OptInState.PENDING
    )


def _reason(error: CleverReachError) -> str:
    """Return the reason in words that are the same for every such mail."""
    if isinstance(error, APIStatusError):
        return f"{error.status_code} {error.message}"
    return str(error)


@attrs.define(eq=False)
class _Mailing:
    """A few workers that take mails from the list.

    Attributes:
        send: Sends the mail to the address given as ``email``.
        waiting: The list.
        clock: Source of time.
        on_progress: Called after each mail.
        should_stop: Asked before each mail.
        report: The counters.
    """

    send: Callable[..., Awaitable[None]]
    waiting: OptInList
    clock: Clock
    on_progress: OnMail | None
    should_stop: Callable[[], bool]
    report: OptInReport = attrs.field(factory=OptInReport, init=False)
    _alike: list[OptInMail] = attrs.field(factory=list[OptInMail], init=False)
    _alike_because: str = attrs.field(default="", init=False)
    _taken_back: str | None = attrs.field(default=None, init=False)
    _failure: Exception | None = attrs.field(default=None, init=False)

    async def run(self, concurrency: int) -> None:
        """Send mails until the list is through, or there is no point in going on."""
        async with anyio.create_task_group() as tasks:
            for _ in range(concurrency):
                tasks.start_soon(self._work)
        if self._failure is not None:
            raise self._failure
        self.report.pending = self.waiting.counts()[OptInState.PENDING]

    async def _work(self) -> None:
        try:
            while not self.report.stopped and self._failure is None:
                if self.should_stop():
                    self._stop("stop was requested")
                    return
                mail = self.waiting.claim()
                if mail is None:
                    return
                await self._deliver(mail)
                if self.on_progress is not None:
                    self.on_progress(self.report)
        except Exception as error:  # noqa: BLE001 - raised by run(), where no group wraps it
            self._failure = self._failure or error

    async def _deliver(self, mail: OptInMail) -> None:
        try:
            await self._send(mail.email)
        except CleverReachError as error:
            self._count(mail, state_after(error), error)
            return
        self.waiting.settle(mail.number, OptInState.SENT)
        self.report.sent += 1
        self._alike.clear()

    async def _send(self, email: str) -> None:
        for wait in _WAITS:
            try:
                return await self.send(email=email)
            except NotFoundError:
                await self.clock.sleep(wait)
        return await self.send(email=email)

    def _count(self, mail: OptInMail, state: OptInState, error: CleverReachError) -> None:
        reason = _reason(error)
        # Others were on their way when ten refusals in a row were taken back; these belong to them.
        if state is OptInState.PENDING or reason == self._taken_back:
            self.waiting.settle(mail.number, OptInState.PENDING)
            self._stop(reason)
            return
        self.waiting.settle(mail.number, state, reason)
        self._tally(state, reason, 1)
        key = state.value if state is OptInState.UNKNOWN else reason
        if key != self._alike_because:
            self._alike, self._alike_because = [], key
        self._alike.append(mail)
        if len(self._alike) >= _IN_A_ROW:
            self._give_up(state, error)

    def _give_up(self, state: OptInState, error: CleverReachError) -> None:
        """Stop after a run of mails that all failed alike."""
        if state is OptInState.UNKNOWN:
            self._stop(f"{len(self._alike)} mails in a row went unanswered: {_reason(error)}")
            return
        self._tally(state, _reason(error), -len(self._alike))
        for mail in self._alike:
            self.waiting.settle(mail.number, OptInState.PENDING)
        words = f"{len(self._alike)} mails in a row were refused: {_reason(error)}"
        self._stop(words + _advice(error))
        self._alike, self._taken_back = [], _reason(error)

    def _tally(self, state: OptInState, reason: str, number: int) -> None:
        report = self.report
        setattr(report, state.value, getattr(report, state.value) + number)
        report.reasons[reason] = report.reasons.get(reason, 0) + number
        if not report.reasons[reason]:
            del report.reasons[reason]

    def _stop(self, why: str) -> None:
        self.report.stopped = self.report.stopped or why


def _advice(error: CleverReachError) -> str:
    status = getattr(error, "status_code", None)
    if status == HTTPStatus.FORBIDDEN:
        return ". Look at the account's contact licence and at what the app may do"
    if status == HTTPStatus.NOT_FOUND:
        return ". Look whether form and group are the right ones"
    return ""
