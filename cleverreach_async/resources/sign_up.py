"""Sign-up with double opt-in: its result, and its decisions on plain values."""

import enum
from http import HTTPStatus
from typing import Any, Final

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    CleverReachError,
    ConfigurationError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    ResponseDecodeError,
    UnprocessableEntityError,
)
from cleverreach_async.resources.receiver_models import Receiver, ReceiverInput
from cleverreach_async.resources.receiver_wire import receiver_on_wire
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.transport.paths import check_receiver_id

__all__ = [
    "SignUp",
    "SignUpOutcome",
    "explain_failed_mail",
    "explain_refused_creation",
    "is_perhaps_active",
    "is_refusal",
    "may_be_there",
    "newcomer",
    "outcome_without_mail",
]

_REFUSALS: Final = (BadRequestError, ConflictError, UnprocessableEntityError)


class SignUpOutcome(enum.StrEnum):
    """What a sign-up has led to."""

    MAILED = "mailed"
    """They were added as not yet confirmed, and the activation mail was sent."""
    MAILED_AGAIN = "mailed_again"
    """They were in the group and are not active. The activation mail was sent."""
    ALREADY_ACTIVE = "already_active"
    """They get mailings already. Nothing was sent or changed."""
    UNSUBSCRIBED = "unsubscribed"
    """They confirmed once and left. Nothing was sent; ``again=True`` asks them."""
    BOUNCED = "bounced"
    """Mail to them bounced. Nothing was sent; ``again=True`` tries it."""
    BLACKLISTED = "blacklisted"
    """The address is on the account's blacklist. Nothing was sent or stored."""


@attrs.frozen(kw_only=True)
class SignUp:
    """The result of ``cr.receivers.sign_up()``.

    Attributes:
        outcome: What it has led to. It is a text too: ``outcome == "mailed"``.
        receiver: The receiver as read or created, before the mail; ``None`` for a blacklisted
            address that is not in the group.
        created: Whether the receiver was added. The fields of somebody who was in the group are
            not changed, since anybody can enter any address into a form.
    """

    outcome: SignUpOutcome
    receiver: Receiver | None = attrs.field(default=None, repr=False)
    created: bool = False

    @property
    def mailed(self) -> bool:
        """Whether an activation mail was sent."""
        return self.outcome in {SignUpOutcome.MAILED, SignUpOutcome.MAILED_AGAIN}


def newcomer(receiver: ReceiverInput, *, now: int) -> ReceiverInput:
    """Return a receiver as it is sent of somebody who has signed up and not yet confirmed.

    Args:
        receiver: The receiver. It is not changed.
        now: Unix seconds, for ``registered`` if that is not set.

    Raises:
        ConfigurationError: They have no e-mail address, or are said to be active or unsubscribed,
            or a time cannot be sent.
    """
    email: Any = receiver.email
    if not isinstance(email, str) or "@" not in email:
        raise ConfigurationError("the receiver has no e-mail address; pass email='name@domain'")
    _refuse_consent(receiver)
    pending = attrs.evolve(
        receiver,
        email=check_receiver_id("email", email),
        registered=receiver.registered or now,
        activated=0,
        deactivated=UNSET,
    )
    return receiver_on_wire(pending)


def _refuse_consent(receiver: ReceiverInput) -> None:
    for name in ("activated", "deactivated"):
        value = getattr(receiver, name)
        if not (value is UNSET or value is None or value == 0):
            raise ConfigurationError(
                f"{name} is set, but whoever signs up has not confirmed yet: leave it out"
            )


def is_perhaps_active(receiver: Receiver) -> bool:
    """Return whether a receiver gets mailings, as far as the response says.

    Responses may lack ``active``; then those are active who confirmed and have not left.
    """
    if receiver.active is not None:
        return receiver.active
    return receiver.activated is not None and not (receiver.deactivated or receiver.bounced)


def outcome_without_mail(receiver: Receiver, *, again: bool) -> SignUpOutcome | None:
    """Return the outcome for somebody in the group who gets no mail, or ``None`` for a mail.

    Args:
        receiver: The receiver as the server shows it.
        again: Whether those who left, and those whose mail bounced, are asked again.
    """
    if is_perhaps_active(receiver):
        return SignUpOutcome.ALREADY_ACTIVE
    if again:
        return None
    if receiver.bounced is not None:
        return SignUpOutcome.BOUNCED
    if receiver.deactivated is not None or receiver.activated is not None:
        return SignUpOutcome.UNSUBSCRIBED
    return None


def may_be_there(error: CleverReachError) -> bool:
    """Return whether a receiver may exist although creating them failed.

    Another sign-up was faster, or the response was lost.
    """
    if isinstance(error, APIConnectionError):
        return error.sent
    if isinstance(error, ResponseDecodeError | InternalServerError):
        return True
    return is_refusal(error)


def is_refusal(error: CleverReachError) -> bool:
    """Return whether the server refused what was sent, also in a response with a 2xx status.

    A creation is refused if the receiver exists, and perhaps a mail if they are active.
    """
    says_failed = isinstance(error, APIStatusError) and error.status_code == HTTPStatus.OK
    return says_failed or isinstance(error, _REFUSALS)


def explain_refused_creation(error: CleverReachError) -> None:
    """Add to an error what a refused creation means."""
    if isinstance(error, PermissionDeniedError):
        error.add_note(
            "The receiver was not added. The contact licence of the account may be used up, or the"
            " app lacks the right to write receivers. Repeating the call does not help"
        )


def explain_failed_mail(error: CleverReachError) -> None:
    """Add to an error what a failed activation mail means. The receiver stays as they are."""
    if isinstance(error, PermissionDeniedError):
        error.add_note(
            "No activation mail was sent, and the receiver stays inactive. The vendor refuses such"
            " mails to addresses that look suspicious to it, to apps without the right to use"
            " forms, and to accounts whose contact licence is used up. Repeating the call does not"
            " help"
        )
    elif isinstance(error, NotFoundError) and "/send/" in error.path:
        error.add_note(
            "No activation mail was sent: the form does not find the receiver. Check that it"
            " belongs to the group; signing up again later continues here"
        )
    elif isinstance(error, ResponseDecodeError | InternalServerError) or (
        isinstance(error, APIConnectionError) and error.sent
    ):
        error.add_note(
            "It is unknown whether the activation mail was sent. Signing up again sends another one"
        )
