"""Lists of receivers: of a group, of several groups by rules, and of those who bounced."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, cast

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.arguments import as_texts
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.parts import fits_into_url, in_parts
from cleverreach_async.resources.receiver_models import (
    Detail,
    Receiver,
    ReceiverState,
    detail_on_wire,
)
from cleverreach_async.resources.rules import Rules, rules_of_search
from cleverreach_async.transport.arguments import kind_of
from cleverreach_async.transport.paths import check_ids
from cleverreach_async.transport.wire import Request, as_list, as_object, build_request

__all__ = ["MAX_PAGE_SIZE", "ReceiverLists"]

MAX_PAGE_SIZE: Final = 5000

_RULE_FIELDS: Final = ("field", "logic", "condition")


class ReceiverLists(Resource):
    """The calls of ``cr.receivers`` that list receivers."""

    def list(
        self,
        *,
        group_id: int,
        state: ReceiverState = "all",
        detail: Detail = Detail.NONE,
        emails: Sequence[str] | None = None,
        ids: Sequence[int] | None = None,
        order_by: str | None = None,
        page_size: int = 500,
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Receiver]:
        """List the receivers of a group.

        Args:
            group_id: Group id.
            state: Only receivers in this state (the vendor's ``type``).
            detail: What to return for each receiver beside the profile.
            emails: Only these addresses. An empty sequence is refused, because the API would
                return all receivers. More than fit into a URL of 4 kB, about 120, are requested in
                parts; then a page is that of ``page_size`` addresses.
            ids: Only these pool ids, likewise.
            order_by: Field and direction, such as ``registered ASC``. With a stable order pages do
                not shift while others write.
            page_size: Receivers per page, 1 to 5000.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: ``emails`` or ``ids`` is empty or contains something else, or has to
                be requested in parts while ``order_by`` or both are given; or a number of paging is
                out of range.

        ``GET /groups/{group_id}/receivers``
        """
        query = _selection(state, detail, emails, ids, order_by)
        template, path = "/groups/{group_id}/receivers", {"group_id": group_id}
        listing = self._list(
            Receiver,
            template,
            path=path,
            query=query,
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
            page=page,
            prefetch=prefetch,
        )
        if fits_into_url(template, path, query):
            return listing
        load = self._json
        return in_parts(
            load, Receiver, template, path, query, page_size, page=page, prefetch=prefetch
        )

    def list_by_post(
        self,
        *,
        group_id: int,
        state: ReceiverState = "all",
        detail: Detail = Detail.NONE,
        emails: Sequence[str] | None = None,
        ids: Sequence[int] | None = None,
        order_by: str | None = None,
        page_size: int = 500,
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Receiver]:
        """List the receivers of a group as :meth:`list` does, with the arguments in the body.

        Thousands of addresses or ids take one request. How the API names the fields of the body is
        not documented, so a response with other receivers than those asked for is refused.

        Args:
            group_id: Group id.
            state: Only receivers in this state.
            detail: What to return for each receiver beside the profile.
            emails: Only these addresses; an empty sequence is refused.
            ids: Only these pool ids, likewise.
            order_by: Field and direction, such as ``registered ASC``.
            page_size: Receivers per page, 1 to 5000.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: ``emails`` or ``ids`` is empty or contains something else, or a
                number of paging is out of range.
            ResponseDecodeError: The response has receivers that were not asked for.

        ``POST /groups/{group_id}/get_receivers``
        """
        fields = _selection(state, detail, emails, ids, order_by)
        return self._list_by_post(
            Receiver,
            "/groups/{group_id}/get_receivers",
            path={"group_id": group_id},
            json=fields,
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
            page=page,
            prefetch=prefetch,
            read=_refuse_others(fields["email_list"], fields["id_list"]),
        )

    def filter(
        self,
        rules: Rules | Sequence[Mapping[str, Any]],
        *,
        group_ids: Sequence[int] | None = None,
        operator: Literal["AND", "OR"] | None = None,
        active_only: bool = False,
        detail: Detail = Detail.NONE,
        order_by: str | None = None,
        page_size: int = 500,
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Receiver]:
        """List the receivers whom rules match, each once, in some or all groups.

        Args:
            rules: Made by ``where``, such as ``where("city").eq("Gotham")``, and combined with
                ``&`` or with ``|``; or mappings with ``field``, ``logic`` and ``condition``, in
                the API's words. Fields are ``email``, ``tags``, ``registered``, ``activated``,
                ``deactivated``, ``bounced`` and attributes; known logics are ``eq``, ``neq``,
                ``contains``, ``nocontains``, ``bg`` (greater), ``sm`` (smaller) and ``notisnull``.
            group_ids: Only receivers of these groups. Without it, the receivers of all groups,
                without the attributes and tags that belong to a group.
            operator: Whether all mappings have to match, or one of them (``OR``). Rules of
                ``where`` say so themselves.
            active_only: Whether to leave out those who get no mail.
            detail: What to return for each receiver beside the profile.
            order_by: Field and direction, such as ``activated desc``.
            page_size: Receivers per page, 1 to 5000.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: There is no rule, a rule is not one, rules combine ``&`` with ``|``
                or contradict ``operator``, ``group_ids`` is empty or has something that is no id,
                or a number of paging is out of range.

        ``POST /receivers/filter``
        """
        groups = [] if group_ids is None else check_ids("group_ids", group_ids)
        if group_ids is not None and not groups:
            raise ConfigurationError("group_ids is empty; leave it out for all groups")
        joint, sent = _joint_and_rules(rules, operator)
        fields = {
            "groups": groups,
            "operator": joint,
            "rules": sent,
            "activeonly": active_only,  # its default is not documented
            "orderby": order_by,
            "detail": detail_on_wire(detail),
        }
        paging: dict[str, Any] = {"page_size": page_size, "page": page, "prefetch": prefetch}
        return self._list_by_post(
            Receiver, "/receivers/filter", json=fields, max_size=MAX_PAGE_SIZE, **paging
        )

    def bounced(self, *, page: int = 0) -> Paginator[Receiver]:
        """List the receivers whose mail bounced.

        The size of the API's pages is unknown, so the list ends with an empty page, or with one
        that repeats the page before it.

        Args:
            page: Zero-based number of the page to start with.

        Raises:
            ConfigurationError: ``page`` is not a number of 0 or more.

        ``GET /receivers/bounced``
        """

        def request_of(number: int) -> Request:
            query = {"page": number}
            return build_request("GET", "/receivers/bounced", query=query, accepts_false=True)

        return self._paged(Receiver, request_of, size=1, page=page, repeats_at_end=True)


def _selection(
    state: str,
    detail: Detail,
    emails: Sequence[str] | None,
    ids: Sequence[int] | None,
    order_by: str | None,
) -> dict[str, Any]:
    """Return the parameters of a list without those of paging."""
    # As lists before anything else: a generator has a truth value of its own, and is read once.
    wanted_ids = None if ids is None else check_ids("ids", ids)
    if wanted_ids == []:
        raise _is_empty("ids")
    return {
        "type": state,
        "detail": detail_on_wire(detail) or None,
        "email_list": None if emails is None else _addresses(emails),
        "id_list": wanted_ids,
        "order_by": order_by,
    }


def _is_empty(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is empty; leave it out to list all receivers")


def _addresses(emails: object) -> Sequence[str]:
    if isinstance(emails, Iterable) and not isinstance(emails, str | bytes):
        emails = [*cast("Iterable[object]", emails)]
    if emails in ("", []):
        raise _is_empty("emails")
    addresses = as_texts("emails", emails, "addresses")
    if not all("@" in address for address in addresses):
        raise ConfigurationError("emails has something that is not an e-mail address")
    return addresses


def _refuse_others(emails: Sequence[str] | None, ids: Sequence[int] | None) -> Callable[[Any], Any]:
    """Return a check of a response: it has no other receivers than those asked for."""
    wanted = {str(it).strip().lower() for it in (*(emails or ()), *(ids or ()))}
    # The server may write a domain with umlauts in another way.
    if not wanted or not all(map(str.isascii, wanted)):
        return lambda response: response

    def check(response: Any) -> Any:
        items = map(as_object, as_list(response) if response else ())
        others = [it for it in items if it and wanted.isdisjoint(_names_of(it))]
        if others:
            problem = f"{len(others)} receivers who were not asked for"
            del response, items, others  # An error report of this frame shows its variables.
            path = "/groups/{group_id}/get_receivers"
            raise ResponseDecodeError([problem], method="POST", path=path)
        return response

    return check


def _names_of(receiver: Mapping[str, Any]) -> set[str]:
    return {str(receiver.get(name)).strip().lower() for name in ("id", "email")}


def _joint_and_rules(
    rules: object, operator: str | None
) -> tuple[str, Sequence[Mapping[str, str]]]:
    """Return how rules are combined, and the rules as they are sent."""
    if operator not in ("AND", "OR", None):
        raise ConfigurationError(f"operator is {operator!r}; pass 'AND' or 'OR'")
    if not isinstance(rules, Rules):
        return operator or "AND", _rules(rules)
    joint, sent = rules_of_search(rules)
    if operator not in (joint, None) and len(sent) > 1:
        raise ConfigurationError(f"operator is {operator!r}, but the rules are joined by {joint}")
    return joint, sent


def _rules(rules: object) -> Sequence[Mapping[str, str]]:
    shown = kind_of(rules)
    if isinstance(rules, str | bytes | Mapping) or not isinstance(rules, Sequence):
        raise ConfigurationError(f"rules is {shown}; pass a list of rules, even for one")
    if not rules:
        raise ConfigurationError("rules is empty; pass at least one rule")
    return [_rule(it) for it in cast("Sequence[object]", rules)]


def _rule(rule: object) -> Mapping[str, str]:
    """Return a rule as it is sent.

    Raises:
        ConfigurationError: It is not one; the message says what to pass.
    """
    if not isinstance(rule, Mapping):
        raise ConfigurationError(f"a rule is {kind_of(rule)}; pass a mapping with {_RULE_FIELDS}")
    given = cast("Mapping[str, Any]", rule)
    sent = {name: given.get(name, "") for name in _RULE_FIELDS}
    unknown = given.keys() - sent.keys()
    if unknown:
        hint = ", and operator= of the call joins them" if "operator" in unknown else ""
        raise ConfigurationError(
            f"a rule has the field {min(map(str, unknown))!r}; rules have"
            f" {', '.join(_RULE_FIELDS)}{hint}"
        )
    for name, value in sent.items():
        if not isinstance(value, str) or not (value.strip() or name == "condition"):
            raise ConfigurationError(f"{name} of a rule is {_shown(value)}; pass text")
    return sent


def _shown(value: object) -> str:
    return "empty" if value == "" or isinstance(value, str) else kind_of(value)
