"""Sign-up with double opt-in: its calls, in an order that changes nobody who is in the group.

Look, create if nobody is there, mail. Nothing is written to a receiver who exists, so nobody who
confirms meanwhile is set back. After a failed call the receiver is looked at again, which tells
what another sign-up at the same time, or a lost response, has done.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import attrs

from cleverreach_async.errors import (
    CleverReachError,
    NotFoundError,
    PermissionDeniedError,
    ResponseDecodeError,
    UnprocessableEntityError,
)
from cleverreach_async.resources.blacklist import Blacklist
from cleverreach_async.resources.forms import Forms
from cleverreach_async.resources.receiver_models import Receiver, ReceiverInput
from cleverreach_async.resources.sign_up import (
    SignUp,
    SignUpOutcome,
    explain_failed_mail,
    explain_refused_creation,
    is_perhaps_active,
    is_refusal,
    may_be_there,
    outcome_without_mail,
)
from cleverreach_async.transport.clock import Clock

__all__ = ["ReceiverCalls", "SignUpSteps", "is_blacklisted", "send_when_found"]

_WAITS: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts: a new receiver is not visible to forms immediately."""


async def _nothing() -> None:
    """Do nothing."""


async def send_when_found(
    send: Callable[[], Awaitable[None]],
    clock: Clock,
    on_missing: Callable[[], Awaitable[None]] = _nothing,
) -> None:
    """Send the mail of a form, up to five times within 7.5 s while the receiver is not found.

    Args:
        send: Sends it.
        clock: Source of time.
        on_missing: Called once, after the first failure; what it raises ends the attempts.

    Raises:
        NotFoundError: The receiver is still not found.
        CleverReachError: The mail was refused, or a call failed.
    """
    for attempt, wait in enumerate(_WAITS):
        try:
            return await send()
        except NotFoundError:
            if attempt == 0:
                await on_missing()
        await clock.sleep(wait)
    return await send()


class ReceiverCalls(Protocol):
    """The calls for receivers that a sign-up needs; see ``cr.receivers``."""

    async def get(self, receiver_id: int | str, *, group_id: int | None = None) -> Receiver:
        """Return one receiver."""
        ...

    async def create(self, receiver: ReceiverInput, *, group_id: int) -> Receiver:
        """Add one receiver."""
        ...

    async def update(
        self, receiver_id: int | str, receiver: ReceiverInput, *, group_id: int
    ) -> Receiver:
        """Change one receiver."""
        ...


async def is_blacklisted(blacklist: Blacklist, email: str) -> bool:
    """Return whether an address is on the blacklist of the account.

    Raises:
        ResponseDecodeError: The response is no entry.
        CleverReachError: The call failed; its notes say what it means.
    """
    try:
        entry = await blacklist.get(email)
    except NotFoundError:
        return False
    except CleverReachError as error:
        allow = isinstance(error, PermissionDeniedError)
        error.add_note(
            "Nothing was stored or sent, because it is unknown whether the address is on the"
            f" blacklist{'. Allow the app to read the blacklist' if allow else ''}"
        )
        raise
    if not entry.email:
        raise ResponseDecodeError(["it is no entry"], method="GET", path="/blacklist/{email}")
    return True


@attrs.frozen(kw_only=True, eq=False)
class SignUpSteps:
    """One sign-up.

    Attributes:
        receivers: Reads and adds receivers.
        forms: Sends the mail.
        blacklist: The blacklist of the account.
        clock: Source of time.
        group_id: The group.
        form_id: The form whose mail is sent.
        proof: The proof of consent: ``user_ip``, ``referer`` and ``user_agent``.
        again: Whether those who left, and those whose mail bounced, are asked again.
    """

    receivers: ReceiverCalls
    forms: Forms
    blacklist: Blacklist
    clock: Clock
    group_id: int
    form_id: int
    proof: Mapping[str, Any] = attrs.field(repr=False)
    again: bool

    async def run(self, receiver: ReceiverInput) -> SignUp:
        """Sign a receiver up.

        Args:
            receiver: Somebody who has not confirmed; see :func:`~.sign_up.newcomer`.

        Raises:
            CleverReachError: A call failed; its notes say what it means.
        """
        found = await self._look(receiver.email)
        if found is not None:
            return await self._ask(found, receiver.email)
        if await is_blacklisted(self.blacklist, receiver.email):
            return SignUp(outcome=SignUpOutcome.BLACKLISTED)
        try:
            created = await self.receivers.create(receiver, group_id=self.group_id)
        except CleverReachError as error:
            explain_refused_creation(error)
            found = await self._look_again(receiver.email) if may_be_there(error) else None
            if found is None:
                raise
            is_ours = not is_refusal(error)
        else:
            if is_perhaps_active(created):
                created = await self._set_inactive(created)
            return await self._mail(created, receiver.email, created=True)
        return await self._ask(found, receiver.email, created=is_ours)

    async def _ask(self, found: Receiver, email: str, *, created: bool = False) -> SignUp:
        """Send the mail to somebody who is in the group, if they are to get one."""
        outcome = outcome_without_mail(found, again=self.again)
        if outcome is not None:
            return SignUp(outcome=outcome, receiver=found, created=created)
        if not created and await is_blacklisted(self.blacklist, email):
            return SignUp(outcome=SignUpOutcome.BLACKLISTED, receiver=found)
        return await self._mail(found, email, created=created)

    async def _mail(self, receiver: Receiver, email: str, *, created: bool) -> SignUp:
        async def send() -> None:
            await self.forms.send_activation(
                self.form_id, email=email, group_id=self.group_id, **self.proof
            )

        try:
            await send_when_found(send, self.clock, self._check_form)
        except CleverReachError as error:
            if is_refusal(error):
                latest = await self._look_again(email)
                if latest is not None and is_perhaps_active(latest):
                    return SignUp(
                        outcome=SignUpOutcome.ALREADY_ACTIVE, receiver=latest, created=created
                    )
            explain_failed_mail(error)
            raise
        outcome = SignUpOutcome.MAILED if created else SignUpOutcome.MAILED_AGAIN
        return SignUp(outcome=outcome, receiver=receiver, created=created)

    async def _check_form(self) -> None:
        """Raise an error at once if it is the form that is not found."""
        try:
            await self.forms.get(self.form_id)
        except NotFoundError as error:
            error.add_note(f"The account has no form {self.form_id}; no mail was sent")
            raise
        except CleverReachError:
            return  # it is unknown; the attempts go on

    async def _set_inactive(self, created: Receiver) -> Receiver:
        """Set a receiver inactive whom the server made active although they are new.

        Raises:
            UnprocessableEntityError: The server does not do so.
        """
        pending = ReceiverInput(created.email, activated=0)
        changed = await self.receivers.update(created.id, pending, group_id=self.group_id)
        if is_perhaps_active(changed):
            raise UnprocessableEntityError(
                "the server adds receivers as active although activated is 0, so that they get"
                " mailings without having confirmed: deactivate this one with"
                " receivers.deactivate()",
                status_code=422,
                method="PUT",
                path="/groups/{group_id}/receivers/{receiver_id}",
            )
        return changed

    async def _look(self, email: str) -> Receiver | None:
        try:
            return await self.receivers.get(email, group_id=self.group_id)
        except NotFoundError:
            return None

    async def _look_again(self, email: str) -> Receiver | None:
        """Look while another error is handled, which says more than that of a failed look."""
        try:
            return await self._look(email)
        except CleverReachError:
            return None
