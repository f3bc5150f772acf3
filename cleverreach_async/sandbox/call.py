"""One call as the operations see it, and the account they act on."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from urllib.parse import parse_qsl

from starlette.requests import Request

from .behaviour import Behaviour
from .errors import ApiError, bad_value, not_found
from .store import Store
from .values import MAX_INT, Json, as_list, as_map, is_email, parse_json, to_bool, to_int


@dataclass(slots=True, repr=False)
class AccountState:
    """Everything an operation acts on.

    Attributes:
        store: The database.
        behaviour: The switches in force.
        clock: The wall clock.
        client_id: The id of the one OAuth app.
        client_secret: Its secret.
        token_lifetime: Life of an access token in seconds.
        random: For shuffled answers.
        sends: How often a mail to a (form, receiver) pair was asked for.
    """

    store: Store
    behaviour: Behaviour
    clock: Callable[[], float]
    client_id: str
    client_secret: str
    token_lifetime: int
    random: Random = field(default_factory=lambda: Random(1))
    sends: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])

    id: int = 129_000

    def now(self) -> int:
        """The time in unix seconds."""
        return int(self.clock())


@dataclass(slots=True, repr=False)
class Call:
    """One request after routing.

    Attributes:
        account: What the call acts on.
        params: The path parameters, decoded.
        query: The query parameters.
        headers: The headers, names in lower case.
        raw: The body.
        token: The access token, empty on calls that need none.
    """

    account: AccountState
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    token: str = ""

    @property
    def store(self) -> Store:
        """The database."""
        return self.account.store

    @property
    def behaviour(self) -> Behaviour:
        """The switches in force."""
        return self.account.behaviour

    def now(self) -> int:
        """The time in unix seconds."""
        return self.account.now()

    def body(self) -> Json:
        """The body as JSON, or form fields as an object (M: form bodies work on POST receivers)."""
        if not self.raw:
            return None
        try:
            if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                return dict(parse_qsl(self.raw.decode(), keep_blank_values=True))
            return parse_json(self.raw)
        except ValueError as error:
            raise ApiError(400, "Bad Request: invalid JSON") from error

    def fields(self) -> dict[str, Json]:
        """The body, which has to be a JSON object."""
        fields = as_map(self.body())
        if fields is None:
            raise ApiError(400, "Bad Request: object expected")
        return fields

    def number(self, name: str, what: str = "") -> int:
        """A numeric path parameter; anything else is an id that does not exist."""
        text = self.params[name]
        if not (text.isascii() and text.isdigit()) or int(text[:20]) > MAX_INT:
            raise not_found(what)
        return int(text)

    def group(self) -> int:
        """The id of the group in the path, which has to exist."""
        group_id = self.number("group", "group")
        check_group(self.store, group_id)
        return group_id

    def scope(self) -> int:
        """The group in the path, which has to exist, or 0 for the account."""
        return self.group() if "group" in self.params else 0

    def query_number(self, name: str, default: int = 0) -> int:
        """A numeric query parameter."""
        return whole(self.query, name, default)

    def query_flag(self, name: str) -> bool:
        """A boolean query parameter."""
        return to_bool(self.query.get(name, ""))

    def page(
        self,
        maximum: int,
        *,
        source: Mapping[str, Json] | None = None,
        size_key: str = "pagesize",
        default: int = 50,
    ) -> tuple[int, int]:
        """The (limit, offset) of the wanted page: zero-based ``page`` (H), bounded size.

        Args:
            maximum: The largest size.
            source: Where the parameters are; the query unless given.
            size_key: The name of the size.
            default: The size unless given.
        """
        source = self.query if source is None else source
        size = whole(source, size_key, default) or default
        if size > maximum:
            # U: nobody recorded whether an oversized page is an error or cut down.
            if self.behaviour.oversized_page == "error":
                raise bad_value(size_key, f"at most {maximum}")
            size = maximum
        return size, min(whole(source, "page") * size, MAX_INT)

    def one(self, answer: Json) -> Json:
        """The body of a single read: the object, or a list of one, as the SDK unwraps (M)."""
        return answer if self.behaviour.single_read == "object" else [answer]


def token_of(request: Request) -> str:
    """The access token, from the header or, as the vendor allows, the query (H)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query_params.get("token", "")


def whole(source: Mapping[str, Json], name: str, default: int = 0) -> int:
    """A whole number, not below zero, out of a query or a body."""
    value = source.get(name)
    if value is None or value == "":
        return default
    number = to_int(value)
    if number is None or number < 0:
        raise bad_value(name, "integer value")
    return number


def text(source: Mapping[str, Json], name: str, default: str = "") -> str:
    """A text out of a body; numbers become texts."""
    value = source.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise bad_value(name, "string value")
    return str(value)


def required(source: Mapping[str, Json], name: str) -> str:
    """A text that has to be there and must not be empty."""
    value = text(source, name).strip()
    if not value:
        raise ApiError(400, f"Bad Request: missing {name}")
    return value


def required_list(source: Mapping[str, Json], name: str) -> list[Json]:
    """A list that has to be there."""
    items = as_list(source.get(name))
    if items is None:
        raise ApiError(400, f"Bad Request: missing {name}")
    return items


def required_email(source: Mapping[str, Json]) -> str:
    """An e-mail address that has to be there."""
    email = required(source, "email")
    if not is_email(email):
        raise ApiError(400, f"invalid address '{email}'")
    return email


def check_group(store: Store, group_id: int) -> None:
    """Refuse a group that does not exist."""
    if store.value("SELECT 1 FROM recipient_groups WHERE id = ?", group_id) is None:
        raise not_found("group")
