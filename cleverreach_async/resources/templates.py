"""Templates of mailings."""

from collections.abc import Mapping
from typing import Any

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.wire import build_request

__all__ = ["MailingTemplate", "Templates"]


@attrs.frozen(kw_only=True)
class MailingTemplate:
    """A template. Its fields are not documented; there may be more in ``extra``.

    Attributes:
        id: Template id, or 0 if the response has none that is a number.
        name: Name as shown in the account.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int = 0
    name: str = ""
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Templates(Resource):
    """``cr.templates``: list and store templates of mailings."""

    def list(self) -> Paginator[MailingTemplate]:
        """List the account's own templates; the API does not page them.

        ``GET /mailings/templates/user``
        """
        return self._list(MailingTemplate, "/mailings/templates/user")

    def list_agency(self) -> Paginator[MailingTemplate]:
        """List the templates of the agency; the API does not page them.

        ``GET /mailings/templates/agency``
        """
        return self._list(MailingTemplate, "/mailings/templates/agency")

    async def create(self, fields: Mapping[str, Any]) -> Any:
        """Store a template. The call is not repeated after a lost response.

        Args:
            fields: The body, as the vendor's explorer shows it; its fields are not documented.

        Returns:
            The response as the API sends it.

        Raises:
            ConfigurationError: There are no fields.

        ``POST /mailings/template``
        """
        _check_fields(fields)
        return await self._done(build_request("POST", "/mailings/template", json=fields))


def _check_fields(fields: object) -> None:
    if not isinstance(fields, Mapping) or not fields:
        given = "empty" if isinstance(fields, Mapping) else kind_of(fields)
        raise ConfigurationError(f"fields is {given}; pass a mapping with the fields of a template")
