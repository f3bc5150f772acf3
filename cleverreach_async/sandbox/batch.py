"""Batch calls: insert, update, upsert, the "plus" calls and delete."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from .attributes import attribute_rules, in_stored_spelling
from .behaviour import RowText
from .blacklist import blacklisted
from .call import Call
from .errors import ApiError
from .members import (
    Member,
    change_data,
    change_times,
    find_member,
    find_members,
    ids_after,
    join_group,
    leave_group,
    receiver_without_group,
)
from .profiles import ORDERS, TAGS, profiles
from .routing import route
from .rows import InputRow, RowParser, RowRefusedError, SentRow, sent_row, sent_rows
from .saving import save_members, save_orders
from .values import Json, as_list, as_map

Mode = Literal["insert", "update", "upsert"]


class StoredRow(Struct, frozen=True, gc=False):
    """A row that was stored."""

    member: Member
    status: str


class RefusedRow(Struct, frozen=True, gc=False):
    """A row that was refused."""

    text: str


BatchEntry = StoredRow | RefusedRow


def batch_group(call: Call) -> int:
    """Return the group of a batch call; an unknown group is 404, or 405 as on v2 (M)."""
    try:
        return call.group()
    except ApiError as error:
        if call.behaviour.missing_group_on_batch == error.code:
            raise
        raise ApiError(405, "Method Not Allowed: invalid group") from error


def check_size(call: Call, items: Sequence[object]) -> None:
    """Refuse a batch with too many rows with 413; clients send up to 1000 (M)."""
    if len(items) > call.behaviour.max_rows:
        raise ApiError(413, "Request Entity Too Large")


def batch_rows(call: Call) -> tuple[Sequence[SentRow | RefusedRow], bool]:
    """Return the rows of a batch and whether they are a list (H); an object is one row (M)."""
    rows = None if call.is_form else sent_rows(call.raw)
    if rows is not None:
        check_size(call, rows)
        return rows, True
    body = call.body()
    wrapped = as_map(body)
    if wrapped is not None and "postdata" in wrapped:
        body = wrapped["postdata"]  # L: a few clients wrap the list
    items = as_list(body)
    if items is not None:
        check_size(call, items)
        return [_row(item) for item in items], True
    if as_map(body) is None:
        raise ApiError(400, "Bad Request: list of receivers expected")
    return [_row(body)], False


def _row(item: Json) -> SentRow | RefusedRow:
    """Return a row of a batch, which must be an object."""
    fields = as_map(item)
    return RefusedRow("invalid receiver") if fields is None else sent_row(fields)


class BatchWriter:
    """Writes the rows of a call to a group, in order and in one transaction."""

    def __init__(self, call: Call, group_id: int, mode: Mode, *, ignore_pending: bool) -> None:
        self._store = call.store
        self._behaviour = call.behaviour
        self._group_id = group_id
        self._mode = mode
        self._ignore_pending = ignore_pending
        self._now = call.now()
        self._local = attribute_rules(call, group_id)
        self._shared = attribute_rules(call, 0)
        self._blocked = set[str]()
        self._members: dict[str, Member] = {}
        self._touched: dict[str, Member] = {}
        self._orders: list[tuple[int, dict[str, Json]]] = []

    def write(self, sent: Sequence[SentRow | RefusedRow]) -> list[BatchEntry]:
        """Write the rows; a refused row does not affect the others (M).

        One statement reads what is stored of all receivers, and a few save all changes. Between
        them the rows are applied one after the other, so a receiver may be in several of them.
        """
        rows = self._parse(sent)
        keys = [row.key for row in rows if isinstance(row, InputRow)]
        with self._store.transaction():
            self._members = find_members(self._store, self._group_id, keys)
            known = {member.id: replace(member) for member in self._members.values()}
            self._new_ids = iter(ids_after(self._store))
            if self._behaviour.blacklisted_row == "refuse":
                self._blocked = blacklisted(self._store, self._group_id)
            entries = [self._apply(row) if isinstance(row, InputRow) else row for row in rows]
            self._check_limit(len(self._members) - len(known))
            save_members(self._store, list(self._touched.values()), known)
            save_orders(self._store, self._orders, self._now, dedupe=self._behaviour.dedupe_orders)
        return entries

    def _parse(self, sent: Sequence[SentRow | RefusedRow]) -> list[InputRow | RefusedRow]:
        """Check the rows."""
        parser = RowParser(self._local, self._shared, self._now)
        rows: list[InputRow | RefusedRow] = []
        for item in sent:
            if isinstance(item, RefusedRow):
                rows.append(item)
                continue
            try:
                rows.append(parser.parse(in_stored_spelling(item, self._behaviour)))
            except RowRefusedError as error:
                rows.append(RefusedRow(error.message))
        return rows

    def _apply(self, row: InputRow) -> BatchEntry:
        """Apply one row to its receiver."""
        key = row.key
        member = self._members.get(key)
        present = member is not None and member.group_id != 0
        if key in self._blocked:
            return RefusedRow(f"blacklisted address '{row.email}'")
        if present and self._mode == "insert":
            return RefusedRow(f"duplicate address '{row.email}'")  # M: prefix seen on v2 and v3
        if not present and self._mode == "update":
            return RefusedRow(f"invalid receiver '{row.email}'")
        if member is None:
            member = self._members[key] = receiver_without_group(next(self._new_ids), row.email)
        if not present:
            ignore_pending = self._ignore_pending
            join_group(member, self._group_id, row, self._now, ignore_pending=ignore_pending)
        else:
            change_times(member, row, self._behaviour)
        change_data(member, row, self._local, self._shared, self._now)
        self._touched[key] = member
        for order in row.orders:
            self._orders.append((member.id, order))
        # H: the texts `insert success` and `update success` were recorded on v3.
        return StoredRow(member, "update success" if present else "insert success")

    def _check_limit(self, new: int) -> None:
        """Refuse the whole call if its new receivers exceed the limit of the account (M)."""
        limit = self._behaviour.contact_limit
        if limit is not None and new:
            used: int = self._store.value("SELECT count(*) FROM receivers")
            if used + new > limit:
                raise ApiError(403, "Forbidden: receiver limit reached")


# Responses.


def refused_row(text: str, shape: RowText) -> Json:
    """Return the JSON of a refused row: a string as on v2, or an object with a status (M)."""
    return text if shape == "string" else {"status": text}


def lean_response(call: Call, entries: Sequence[BatchEntry]) -> list[Json]:
    """Return one entry per row, in order (M-H)."""
    as_id = str if call.behaviour.batch_item_id == "str" else int
    return [
        {"status": entry.status, "id": as_id(entry.member.id)}
        if isinstance(entry, StoredRow)
        else refused_row(entry.text, call.behaviour.bad_row_as)
        for entry in entries
    ]


def plus_response(call: Call, entries: Sequence[BatchEntry]) -> list[Json]:
    """Return full profiles of the stored rows (H); refused rows are left out (M)."""
    behaviour = call.behaviour
    stored = {e.member.key: e.member for e in entries if isinstance(e, StoredRow)}
    detail = TAGS | (ORDERS if behaviour.plus_with_orders else 0)
    answers = dict(zip(stored, profiles(call, stored.values(), detail), strict=True))
    result: list[Json] = []
    for entry in entries:
        if isinstance(entry, RefusedRow):
            if behaviour.refused_plus_row != "omit":
                result.append(refused_row(entry.text, behaviour.refused_plus_row))
        elif behaviour.repeated_row == "each":
            result.append(answers[entry.member.key])
        elif entry.member.key in answers:
            result.append(answers.pop(entry.member.key))
    if behaviour.plus_order == "reversed":
        result.reverse()
    elif behaviour.plus_order == "shuffled":
        call.account.random.shuffle(result)
    return result


def write(call: Call, mode: Mode, *, plus: bool = False) -> Json:
    """The five batch calls: …/receivers/insert, update, updateplus, upsert and upsertplus."""
    group_id = batch_group(call)
    rows, is_list = batch_rows(call)
    ignore_pending = plus and not call.behaviour.doi_state_in_one_call
    entries = BatchWriter(call, group_id, mode, ignore_pending=ignore_pending).write(rows)
    answer = plus_response(call, entries) if plus else lean_response(call, entries)
    nothing_stored = bool(entries) and not any(isinstance(entry, StoredRow) for entry in entries)
    if plus and nothing_stored and call.behaviour.plus_nothing_stored == "false":
        return False  # M: a bare `false` means that the whole call failed.
    if is_list:
        return answer
    return answer[0] if answer else False  # M: the response to an object is an object


def create(call: Call) -> Json:
    """POST /groups/{id}/receivers: one receiver (H), or a list of them (M)."""
    group_id = call.group()
    rows, is_list = batch_rows(call)
    ignore_pending = not call.behaviour.create_keeps_inactive
    entries = BatchWriter(call, group_id, "insert", ignore_pending=ignore_pending).write(rows)
    first = entries[0] if entries else None
    if not is_list and isinstance(first, RefusedRow):
        # U: the status of a duplicate. M: its message contains `duplicate address`.
        duplicate = first.text.startswith("duplicate address")
        raise ApiError(call.behaviour.duplicate_status if duplicate else 400, first.text)
    stored = iter(profiles(call, [e.member for e in entries if isinstance(e, StoredRow)], TAGS))
    answer = [
        next(stored) if isinstance(e, StoredRow) else refused_row(e.text, call.behaviour.bad_row_as)
        for e in entries
    ]
    return answer if is_list else answer[0]


def delete(call: Call) -> Json:
    """POST /groups/{id}/receivers/delete: a list of ids or addresses (M)."""
    group_id = batch_group(call)
    items = as_list(call.body())
    if items is None:
        raise ApiError(400, "Bad Request: list of receivers expected")
    check_size(call, items)
    answer: list[Json] = []
    with call.store.transaction():
        for item in items:
            member = find_member(call.store, group_id, str(item))
            if member is None:
                answer.append(refused_row(f"invalid receiver '{item}'", call.behaviour.bad_row_as))
                continue
            leave_group(call.store, member)
            answer.append({"status": "success"})
    return answer if call.behaviour.batch_delete_answer == "objects" else True


_ALL = "/v3/groups/{group}/receivers"
ROUTES = (
    route("POST", _ALL, create),
    route("POST", f"{_ALL}/insert", partial(write, mode="insert")),
    route("PUT", f"{_ALL}/update", partial(write, mode="update")),
    route("PUT", f"{_ALL}/updateplus", partial(write, mode="update", plus=True)),
    route("POST", f"{_ALL}/upsert", partial(write, mode="upsert")),
    route("POST", f"{_ALL}/upsertplus", partial(write, mode="upsert", plus=True)),
    route("POST", f"{_ALL}/delete", delete),
)
