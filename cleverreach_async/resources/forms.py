"""Forms: sign-up forms and their double opt-in mails."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import Created, Resource, body, group_path
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.wire import build_request

__all__ = ["Form", "Forms", "proof_of"]


@attrs.frozen(kw_only=True)
class Form:
    """A sign-up form.

    Attributes:
        id: Form id.
        name: Name as shown in the account.
        group_id: The group that receivers sign up to; the API calls it ``customer_tables_id``.
        content: HTML, if the response contains it.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    aliases: ClassVar[Mapping[str, str]] = {"customer_tables_id": "group_id"}

    id: int
    name: str = ""
    group_id: int = 0
    content: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Forms(Resource):
    """``cr.forms``: forms, and double opt-in.

    The vendor marks these calls as deprecated, but they are the only documented way to send a
    double opt-in mail.
    """

    def list(self, *, group_id: int | None = None) -> Paginator[Form]:
        """List the forms of the account or of a group; the API does not page them.

        ``GET /forms``, ``GET /groups/{id}/forms``
        """
        template, path = group_path("/forms", group_id)
        return self._list(Form, template, path=path)

    async def get(self, form_id: int) -> Form:
        """Return one form.

        Raises:
            NotFoundError: The form does not exist.

        ``GET /forms/{id}``
        """
        return await self._call(Form, "GET", "/forms/{form_id}", path={"form_id": form_id})

    async def code(
        self, form_id: int, *, badge: bool | None = None, embedded: bool | None = None
    ) -> str:
        """Return the HTML of a form.

        Args:
            form_id: Form id.
            badge: Whether to include the vendor's badge.
            embedded: Whether to return markup for embedding instead of a whole page.

        ``GET /forms/{id}/code``
        """
        template = "/forms/{form_id}/code"
        # "badget" is the vendor's spelling.
        query = {"badget": badge, "embedded": embedded}
        request = build_request("GET", template, path={"form_id": form_id}, query=query)
        html = await self._json(request)
        try:
            return structure("" if html is None else html, str, method="GET", path=template)
        finally:
            del html  # An error report of this frame shows its variables.

    async def create_from_template(
        self,
        group_id: int,
        *,
        name: str,
        title: str | Unset = UNSET,
        template: str = "default",
    ) -> int:
        """Create a form in a group and return its id.

        Args:
            group_id: The group that receivers sign up to.
            name: Name as shown in the account.
            title: Title of its page.
            template: The vendor's name of the template.

        ``POST /forms/{group_id}/createfromtemplate/{type}``
        """
        created = await self._call(
            Created,
            "POST",
            "/forms/{group_id}/createfromtemplate/{template}",
            path={"group_id": group_id, "template": template},
            json=body(name=name, title=title),
        )
        return created.id

    async def delete(self, form_id: int) -> None:
        """Delete a form.

        ``DELETE /forms/{id}``
        """
        await self._do("DELETE", "/forms/{form_id}", path={"form_id": form_id})

    async def send_activation(
        self,
        form_id: int,
        *,
        email: str,
        user_ip: str,
        referer: str,
        user_agent: str,
        group_id: int | None = None,
    ) -> None:
        """Send the double opt-in mail to one receiver.

        The receiver must exist and be inactive: create it with ``registered`` and ``activated=0``
        first. It may not be found for a moment after that; try again then. ``user_ip``,
        ``referer`` and ``user_agent`` are the proof of consent, and come from the visitor's own
        request. Every call sends a mail, so it is not repeated after a lost response.

        Args:
            form_id: The form whose mail is sent.
            email: The receiver's address.
            user_ip: The visitor's IP address.
            referer: URL of the page where they signed up.
            user_agent: User agent of their browser.
            group_id: The group, if the form has several.

        Raises:
            ConfigurationError: One of the texts is empty.
            NotFoundError: The form or the receiver does not exist.
            PermissionDeniedError: The vendor rates the address as suspicious.
            ResponseDecodeError: The response is a web page; it is unknown whether a mail was sent.

        ``POST /forms/{form_id}/send/activate``
        """
        proof = proof_of(user_ip=user_ip, referer=referer, user_agent=user_agent)
        await self._send_mail("/forms/{form_id}/send/activate", form_id, email, proof, group_id)

    async def send_deactivation(
        self,
        form_id: int,
        *,
        email: str,
        user_ip: str,
        referer: str,
        user_agent: str,
        group_id: int | None = None,
    ) -> None:
        """Send the mail with which a receiver confirms to unsubscribe.

        Every call sends a mail, so it is not repeated after a lost response.

        Args:
            form_id: The form whose mail is sent.
            email: The receiver's address.
            user_ip: The visitor's IP address.
            referer: URL of the page where they asked to unsubscribe.
            user_agent: User agent of their browser.
            group_id: The group, if the form has several.

        Raises:
            ConfigurationError: One of the texts is empty.
            NotFoundError: The form or the receiver does not exist.
            ResponseDecodeError: The response is a web page; it is unknown whether a mail was sent.

        ``POST /forms/{form_id}/send/deactivate``
        """
        proof = proof_of(user_ip=user_ip, referer=referer, user_agent=user_agent)
        await self._send_mail("/forms/{form_id}/send/deactivate", form_id, email, proof, group_id)

    async def _send_mail(
        self,
        template: str,
        form_id: int,
        email: str,
        proof: Mapping[str, str],
        group_id: int | None,
    ) -> None:
        _check_text("email", email)
        fields = body(
            email=email,
            groups_id=UNSET if group_id is None else check_id("group_id", group_id),
            doidata=proof,
        )
        await self._do(
            "POST",
            template,
            path={"form_id": form_id},
            json=fields,
            shows_success=lambda response: str(response).strip().lower() == email.strip().lower(),
        )


def proof_of(**texts: str) -> Mapping[str, str]:
    """Return the proof of consent: IP address, page and browser of whoever signed up.

    Raises:
        ConfigurationError: One of the texts is empty, or no text.
    """
    for name, text in texts.items():
        _check_text(name, text)
    return texts


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise ConfigurationError(f"{name} is {kind_of(text)}; the API sends no mail without it")
    if not text.strip():
        raise ConfigurationError(f"{name} is empty; the API sends no mail without it")
