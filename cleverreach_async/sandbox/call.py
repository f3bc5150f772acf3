"""The arguments of an operation: the account and the request."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from .accounts import AccountState
from .behaviour import Behaviour
from .errors import ApiError, bad_value, not_found
from .store import Store
from .values import (
    MAX_INT,
    Json,
    as_list,
    as_map,
    is_email,
    parse_form,
    parse_json,
    parse_number,
    to_bool,
    to_int,
)


@dataclass(slots=True, repr=False)
class Call:
    """One request after routing.

    Attributes:
        account: The account.
        params: The decoded path parameters.
        query: The query parameters.
        headers: The headers; names are in lower case.
        raw: The body.
        token: The access token, or empty.
        found: The account that a call without a token has turned out to be for.
    """

    account: AccountState
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    token: str = ""
    found: AccountState | None = None

    @property
    def store(self) -> Store:
        """The database."""
        return self.account.store

    @property
    def behaviour(self) -> Behaviour:
        """The current behaviour."""
        return self.account.behaviour

    def now(self) -> int:
        """Return the time in unix seconds."""
        return self.account.now()

    @property
    def is_form(self) -> bool:
        """Whether the body is a form instead of JSON."""
        return media_type(self.headers) == "application/x-www-form-urlencoded"

    def body(self) -> Json:
        """Return the JSON body, or what a form has (M: forms work on POST receivers)."""
        if not self.raw:
            return None
        try:
            if self.is_form:
                return parse_form(self.raw.decode())
            return parse_json(self.raw)
        except ValueError as error:
            raise ApiError(400, "Bad Request: invalid JSON") from error

    def fields(self) -> dict[str, Json]:
        """Return the body, which must be a JSON object."""
        fields = as_map(self.body())
        if fields is None:
            raise ApiError(400, "Bad Request: object expected")
        return fields

    def number(self, name: str, what: str = "") -> int:
        """Return an id from the path; anything but a number is an unknown id."""
        number = parse_number(self.params[name])
        if number is None or number > MAX_INT:
            raise not_found(what)
        return number

    def group(self) -> int:
        """Return the id of the group in the path, which must exist."""
        group_id = self.number("group", "group")
        check_group(self.store, group_id)
        return group_id

    def scope(self) -> int:
        """Return the group in the path, which must exist, or 0 for the account."""
        return self.group() if "group" in self.params else 0

    def query_number(self, name: str, default: int = 0) -> int:
        """Return a number from the query."""
        return whole(self.query, name, default)

    def query_flag(self, name: str) -> bool:
        """Return a flag from the query."""
        return to_bool(self.query.get(name, ""))

    def page(
        self,
        maximum: int,
        *,
        source: Mapping[str, Json] | None = None,
        size_key: str = "pagesize",
        default: int = 50,
    ) -> tuple[int, int]:
        """Return (limit, offset) of the requested page: ``page`` counts from zero (H).

        Args:
            maximum: The largest size.
            source: The parameters; by default the query.
            size_key: The name of the size parameter.
            default: The default size.
        """
        source = self.query if source is None else source
        size = whole(source, size_key, default) or default
        if size > maximum:
            # U: whether an oversized page is an error or reduced.
            if self.behaviour.oversized_page == "error":
                raise bad_value(size_key, f"at most {maximum}")
            size = maximum
        return size, min(whole(source, "page") * size, MAX_INT)

    def single_read(self, value: Json) -> Json:
        """Return an object, or a list of one, which the SDK unwraps (M)."""
        return value if self.behaviour.single_read == "object" else [value]


def media_type(headers: Mapping[str, str]) -> str:
    """Return the content type in lower case, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def token_of(request: Request) -> str:
    """Return the access token, from the header or else from the query (H)."""
    headers: list[tuple[bytes, bytes]] = request.scope["headers"]
    value = next((value for name, value in headers if name == b"authorization"), b"")
    scheme, _, token = value.partition(b" ")
    if scheme.lower() == b"bearer":
        return token.strip().decode("latin-1")
    return request.query_params.get("token", "") if request.scope["query_string"] else ""


def whole(source: Mapping[str, Json], name: str, default: int = 0) -> int:
    """Return a non-negative integer from a query or a body."""
    value = source.get(name)
    if value is None or value == "":
        return default
    number = to_int(value)
    # M: the recorded refusal of a fraction or a text says "Expecting integer value".
    if number is None or number < 0 or float(value) != number:
        raise bad_value(name, "integer value")
    return number


def text(source: Mapping[str, Json], name: str, default: str = "") -> str:
    """Return a string from a query or a body; numbers become strings."""
    value = source.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise bad_value(name, "string value")
    return str(value)


def required(source: Mapping[str, Json], name: str) -> str:
    """Return a string that must not be missing or empty."""
    value = text(source, name).strip()
    if not value:
        raise ApiError(400, f"Bad Request: missing {name}")
    return value


def required_list(source: Mapping[str, Json], name: str) -> list[Json]:
    """Return a list that must not be missing."""
    items = as_list(source.get(name))
    if items is None:
        raise ApiError(400, f"Bad Request: missing {name}")
    return items


def required_email(source: Mapping[str, Json]) -> str:
    """Return the e-mail address, which must not be missing or invalid."""
    email = required(source, "email")
    if not is_email(email):
        raise ApiError(400, f"invalid address '{email}'")
    return email


def check_group(store: Store, group_id: int) -> None:
    """Refuse an unknown group."""
    if store.value("SELECT 1 FROM recipient_groups WHERE id = ?", group_id) is None:
        raise not_found("group")
