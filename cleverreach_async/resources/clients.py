"""Clients: the account, and for agencies the accounts of their customers."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

import attrs

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.wire import build_request

__all__ = ["ClientAccount", "ClientPlan", "ClientUser", "Clients"]

MAX_PAGE_SIZE: Final = 100

_TOKEN: Final = re.compile(r"[\w.~+/=-]{8,}", re.ASCII)


@attrs.frozen(kw_only=True)
class ClientAccount:
    """An account. :class:`Whoami` has the same fields.

    Attributes:
        id: Account id, the vendor's client id.
        company: Company.
        salutation: Salutation of the account holder.
        firstname: First name of the account holder.
        name: Last name of the account holder.
        street: Street and number.
        zip: Postcode.
        city: City.
        country: Country.
        phone: Telephone number.
        fax: Fax number.
        email: E-mail address of the account holder.
        login_domain: The host on which users of the account log in.
        whitelabel_id: Id of the reseller, or 0.
        lang: Language, such as ``de``.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    company: str = attrs.field(default="", repr=False)
    salutation: str = attrs.field(default="", repr=False)
    firstname: str = attrs.field(default="", repr=False)
    name: str = attrs.field(default="", repr=False)
    street: str = attrs.field(default="", repr=False)
    zip: str = attrs.field(default="", repr=False)
    city: str = attrs.field(default="", repr=False)
    country: str = attrs.field(default="", repr=False)
    phone: str = attrs.field(default="", repr=False)
    fax: str = attrs.field(default="", repr=False)
    email: str = attrs.field(default="", repr=False)
    login_domain: str = ""
    whitelabel_id: int = attrs.field(default=0, repr=False)
    lang: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class ClientPlan:
    """The price plan of an account.

    Attributes:
        id: Plan id, or an empty text.
        name: Its name.
        flatrate: Whether the number of mails is not limited.
        emails: Number of mails that it includes.
        receiver_cap: Number of receivers that it includes.
        runtime: How long it runs, in the vendor's words.
        price: Its price in ``currency``.
        currency: Such as ``EUR``.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: str = ""
    name: str = ""
    flatrate: bool = False
    emails: int = 0
    receiver_cap: int = 0
    runtime: str = attrs.field(default="", repr=False)
    price: float = attrs.field(default=0.0, repr=False)
    currency: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class ClientUser:
    """A user of an account. Only ``lang`` is documented; everything else is in ``extra``.

    Attributes:
        id: User id, or 0 if the response does not say.
        lang: Language, such as ``de``.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int = 0
    lang: str = ""
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Clients(Resource):
    """``cr.clients``: the account, and for agencies the accounts of their customers.

    A ``client_id`` is an account id; ``cr.debug.whoami()`` tells that of the token. Most of these
    calls are hardly documented, so some return what the API sends.
    """

    def list(
        self, *, page_size: int = 50, page: int = 0, prefetch: int = 0
    ) -> Paginator[ClientAccount]:
        """List the accounts that the token may see.

        Args:
            page_size: Accounts per page, 1 to 100.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: A number of paging is out of range.

        ``GET /clients``
        """
        return self._list(
            ClientAccount,
            "/clients",
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
            page=page,
            prefetch=prefetch,
        )

    async def get(self, client_id: int) -> ClientAccount:
        """Return one account.

        Raises:
            NotFoundError: The account does not exist.

        ``GET /clients/{id}``
        """
        path = _path(client_id)
        return await self._call(ClientAccount, "GET", "/clients/{client_id}", path=path)

    async def by_domain(self, domain: str) -> ClientAccount:
        """Return the account with a login domain, such as ``129000.eu2.cleverreach.com``.

        Raises:
            NotFoundError: No account has the domain.

        ``GET /clients/domain/{domain}``
        """
        path = {"domain": domain}
        return await self._call(ClientAccount, "GET", "/clients/domain/{domain}", path=path)

    async def receiver_count(self, client_id: int) -> int:
        """Return the number of receivers of an account.

        ``GET /clients/{id}/receivercount``
        """
        template = "/clients/{client_id}/receivercount"
        return await self._call(int, "GET", template, path=_path(client_id))

    async def active_receiver_count(self, client_id: int) -> int:
        """Return the number of receivers of an account who get mail.

        ``GET /clients/{id}/activereceivercount``
        """
        template = "/clients/{client_id}/activereceivercount"
        return await self._call(int, "GET", template, path=_path(client_id))

    async def contingent(self, client_id: int) -> Any:
        """Return how many mails an account may still send, as the API sends it.

        Whether that is a number or an object is not documented.

        ``GET /clients/{id}/contingent``
        """
        template = "/clients/{client_id}/contingent"
        return await self._json(build_request("GET", template, path=_path(client_id)))

    async def invoice_address(self, client_id: int) -> Mapping[str, Any]:
        """Return the invoice address of an account. Its fields are not documented.

        ``GET /clients/{id}/invoiceaddress``
        """
        template = "/clients/{client_id}/invoiceaddress"
        return await self._call(dict[str, Any], "GET", template, path=_path(client_id))

    async def limits(self, client_id: int) -> Mapping[str, Any]:
        """Return the limits of an account. Their names are not documented.

        ``GET /clients/{id}/limits``
        """
        template = "/clients/{client_id}/limits"
        return await self._call(dict[str, Any], "GET", template, path=_path(client_id))

    async def next_invoice_date(self, client_id: int) -> datetime | None:
        """Return when the next invoice is due, or ``None`` if there will be none.

        ``GET /clients/{id}/nextinvoicedate``
        """
        template = "/clients/{client_id}/nextinvoicedate"
        request = build_request("GET", template, path=_path(client_id), accepts_false=True)
        seconds = await self._json(request)
        if seconds is None:
            return None
        kind = cast("type[datetime | None]", datetime | None)
        return structure(seconds, kind, method="GET", path=template)

    async def plan(self, client_id: int) -> ClientPlan:
        """Return the price plan of an account.

        ``GET /clients/{id}/plan``
        """
        template = "/clients/{client_id}/plan"
        return await self._call(ClientPlan, "GET", template, path=_path(client_id))

    def users(self, client_id: int) -> Paginator[ClientUser]:
        """List the users of an account; the API does not page them.

        ``GET /clients/{id}/users``
        """
        return self._list(ClientUser, "/clients/{client_id}/users", path=_path(client_id))

    async def payment_methods(self) -> Any:
        """Return the ways to pay, as the API sends them.

        The vendor's current description does not list this call.

        ``GET /clients/paymentmethods``
        """
        return await self._json(build_request("GET", "/clients/paymentmethods"))

    async def update_payment_options(self, client_id: int, options: Mapping[str, Any]) -> None:
        """Change how an account pays.

        Args:
            client_id: Account id.
            options: What to change, in the vendor's names, which are not documented.

        Raises:
            ConfigurationError: There is nothing to change.

        ``PUT /clients/{id}/paymentoptions``
        """
        template, fields = "/clients/{client_id}/paymentoptions", _fields("options", options)
        await self._do("PUT", template, path=_path(client_id), json=fields)

    async def update_payment_source(self, client_id: int, source: Mapping[str, Any]) -> None:
        """Change from where an account pays.

        Args:
            client_id: Account id.
            source: What to change, in the vendor's names, which are not documented.

        Raises:
            ConfigurationError: There is nothing to change.

        ``PUT /clients/{id}/paymentsource``
        """
        template, fields = "/clients/{client_id}/paymentsource", _fields("source", source)
        await self._do("PUT", template, path=_path(client_id), json=fields)

    async def create_account(self, account: Mapping[str, Any]) -> Any:
        """Create the account of a customer, for agencies; return the response as the API sends it.

        The vendor's current description does not list this call. It is not repeated after a lost
        response, to not create two.

        Args:
            account: Account and user in the vendor's names, which are not documented.

        Raises:
            ConfigurationError: There are no fields.
            PermissionDeniedError: The account is not that of an agency.

        ``POST /clients/createAccount``
        """
        fields = _fields("account", account)
        return await self._done(build_request("POST", "/clients/createAccount", json=fields))

    async def token(self, client_id: int) -> Secret:
        """Return an access token for the account of a customer, for agencies.

        ``cr.with_auth(BearerToken(token))`` is a client of that account. The vendor's current
        description does not list this call.

        Raises:
            PermissionDeniedError: The account is not that of an agency, or not yours.
            ResponseDecodeError: The response is not a token. The error does not show it.

        ``GET /clients/{id}/token``
        """
        template = "/clients/{client_id}/token"
        token = _token_in(await self._json(build_request("GET", template, path=_path(client_id))))
        if token is None:
            raise ResponseDecodeError(["expected a token"], method="GET", path=template)
        return token


def _path(client_id: int) -> dict[str, str | int]:
    return {"client_id": client_id}


def _fields(name: str, values: object) -> Mapping[str, Any]:
    """Return the fields of a body that is not documented.

    Raises:
        ConfigurationError: It is not a mapping of names, or an empty one.
    """
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{name} is {kind_of(values)}; pass a mapping of its fields")
    fields = dict(cast("Mapping[str, Any]", values))
    if not fields or not all(isinstance(it, str) for it in cast("dict[Any, Any]", fields)):
        raise ConfigurationError(f"{name} is empty, or has a name that is not text")
    return fields


def _token_in(response: Any) -> Secret | None:
    """Return the token that a response is; words and markup are none."""
    is_token = isinstance(response, str) and _TOKEN.fullmatch(response.strip())
    return Secret(response.strip()) if is_token else None
