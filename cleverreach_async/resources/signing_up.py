"""The part of ``cr.receivers`` that signs people up."""

from typing import cast

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.blacklist import Blacklist
from cleverreach_async.resources.forms import Forms, proof_of
from cleverreach_async.resources.receiver_arguments import ReceiverLike, as_receiver
from cleverreach_async.resources.sign_up import SignUp, newcomer
from cleverreach_async.resources.sign_up_steps import ReceiverCalls, SignUpSteps
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.paths import check_id

__all__ = ["SigningUp"]


class SigningUp(Resource):
    """Sign people up with double opt-in. :class:`Receivers` inherits it."""

    async def sign_up(
        self,
        receiver: ReceiverLike,
        *,
        group_id: int,
        form_id: int,
        user_ip: str,
        referer: str,
        user_agent: str,
        again: bool = False,
    ) -> SignUp:
        """Sign somebody up with double opt-in: add them as inactive, and send the activation mail.

        Whoever is in the group is not changed, and gets the mail only if they have not confirmed.
        See ``docs/sign-up.md``.

        Args:
            receiver: The receiver, without ``activated`` and ``deactivated``.
            group_id: The group.
            form_id: The form whose mail is sent.
            user_ip: The visitor's IP address.
            referer: URL of the page where they signed up.
            user_agent: User agent of their browser.
            again: Whether those who left, and those whose mail bounced, are asked again.

        Raises:
            ConfigurationError: An argument cannot be sent; no request was.
            NotFoundError: There is no such form or group, or the form does not find the receiver
                within 7.5 s.
            PermissionDeniedError: The server refuses the receiver or the mail; the notes say why.
            CleverReachError: Another call failed.

        ``GET`` and ``POST /groups/{group_id}/receivers``, ``GET /blacklist/{email}``,
        ``POST /forms/{form_id}/send/activate``
        """
        if not isinstance(cast("object", again), bool):
            raise ConfigurationError(f"again is {kind_of(again)}; pass True or False")
        steps = SignUpSteps(
            receivers=cast("ReceiverCalls", self),  # the class that has this one as a part
            forms=Forms(self._send),
            blacklist=Blacklist(self._send),
            clock=self._clock,
            group_id=check_id("group_id", group_id),
            form_id=check_id("form_id", form_id),
            proof=proof_of(user_ip=user_ip, referer=referer, user_agent=user_agent),
            again=again,
        )
        return await steps.run(newcomer(as_receiver(receiver), now=int(self._clock.now())))
