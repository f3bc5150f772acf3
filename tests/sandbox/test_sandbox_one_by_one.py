"""A batch has the same effects as its rows one after the other."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.sandbox import Behaviour, Sandbox
from cleverreach_async.sandbox.batch import write
from cleverreach_async.sandbox.call import Call

Row = dict[str, Any]
Mode = Literal["insert", "update", "upsert"]

TABLES = ("receivers", "members", "orders")
GROUP, OTHER_GROUP = "540001", "540002"
BLOCKED = "b@example.org"

EMAILS = st.sampled_from(["a@example.org", "A@example.org", BLOCKED, "c@example.org", "no address"])
VALUES = st.sampled_from(["Kiel", "+1", "-2", "+0.5", "", None, 3, -4, 1.5, True, ["refused"]])
ATTRIBUTES = st.one_of(
    st.dictionaries(st.sampled_from(["city", "points", "Points", "unknown"]), VALUES),
    st.sampled_from([[], "city: Bonn,points:+1", "", 7]),
)
TAGS = st.lists(st.sampled_from(["new", "shop.a", "shop.b", "-new", "-shop.*", "ä"]), max_size=3)
TIMES = st.sampled_from([0, 5, "7", None, -1])
ORDERS = st.lists(
    st.fixed_dictionaries(
        {"order_id": st.sampled_from(["1", "2"]), "product": st.sampled_from(["Lamp", ""])},
        optional={"price": st.sampled_from([49.9, "49.90", "much"]), "quantity": st.just(2)},
    ),
    max_size=2,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "registered": TIMES,
    "activated": TIMES,
    "deactivated": TIMES,
    "source": st.sampled_from(["shop", 5, None, []]),
    "attributes": ATTRIBUTES,
    "global_attributes": ATTRIBUTES,
    "tags": TAGS,
    "orders": ORDERS,
}
ROWS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"email": EMAILS}, optional=FIELDS), st.sampled_from([None, 7])
    ),
    max_size=8,
)
BEHAVIOURS = st.builds(
    Behaviour,
    bad_row_as=st.sampled_from(["string", "object"]),
    attribute_spelling=st.sampled_from(["stored", "any"]),
    lift_deactivation=st.booleans(),
    doi_state_in_one_call=st.booleans(),
    blacklisted_row=st.sampled_from(["accept", "refuse"]),
    negative_number=st.sampled_from(["subtract", "store"]),
    dedupe_orders=st.booleans(),
)


class Account:
    """A sandbox with two groups, attributes of both kinds and a blacklisted address."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.seconds = 1000
        self.sandbox = Sandbox(behaviour=behaviour, now=lambda: self.seconds)
        store = self.sandbox.store
        for name in ("One", "Two"):
            store.insert(
                "recipient_groups",
                name=name, locked=0, backup=0, receiver_info="", stamp=0, last_changed=0,
            )  # fmt: skip
        for group, name, kind in (
            (0, "city", "text"),
            (0, "points", "number"),
            (540001, "points", "number"),
        ):
            store.insert(
                "attributes",
                group_id=group, name=name, type=kind, description="", preview_value="", tag="",
            )  # fmt: skip
        store.insert("blacklist", group_id=0, email_key=BLOCKED, email=BLOCKED, comment="", stamp=0)

    def write(self, rows: list[Any], mode: Mode, *, plus: bool = False, group: str = GROUP) -> Any:
        """Write a batch and return its response."""
        call = Call(self.sandbox.account, {"group": group}, {}, {}, json.dumps(rows).encode())
        return write(call, mode, plus=plus)

    def tables(self) -> dict[str, list[Row]]:
        """Return everything that is stored of receivers."""
        store = self.sandbox.store
        return {name: store.rows(f"SELECT * FROM {name}") for name in TABLES}  # noqa: S608 - fixed


@pytest.mark.parametrize("mode", ["insert", "update", "upsert"])
@pytest.mark.parametrize("plus", [False, True])
@given(behaviour=BEHAVIOURS, known=ROWS, elsewhere=ROWS, rows=ROWS)
def test_a_batch_acts_like_its_rows_one_by_one(
    mode: Mode,
    plus: bool,
    behaviour: Behaviour,
    known: list[Any],
    elsewhere: list[Any],
    rows: list[Any],
) -> None:
    """State and statuses are the same, for new and known receivers and for repeated addresses."""
    together, alone = Account(behaviour), Account(behaviour)
    for account in (together, alone):
        account.write(known, "upsert")
        account.write(elsewhere, "upsert", group=OTHER_GROUP)
        account.seconds += 1
    answer = together.write(rows, mode, plus=plus)
    answers = [alone.write([row], mode, plus=plus) for row in rows]
    assert alone.tables() == together.tables()
    one_by_one = [item for items in answers for item in items]
    if plus:  # profiles show the state after the whole batch
        assert [item.id for item in one_by_one] == [item.id for item in answer]
    else:
        assert one_by_one == answer
    together.sandbox.close()
    alone.sandbox.close()


@pytest.mark.parametrize("size", [1, 49, 50, 51, 100, 120])
def test_rows_of_many_statements(size: int) -> None:
    """Rows are inserted in blocks; none is lost, repeated or mixed up at their borders."""
    account = Account(Behaviour())
    rows: list[Row] = [
        {
            "email": f"p{number}@example.org",
            "global_attributes": {"city": f"City {number}"},
            "orders": [{"order_id": f"{number}", "product": "Lamp"}],
        }
        for number in range(size)
    ]
    for turn in ("insert", "update"):
        answer = account.write(rows, "upsert")
        assert [{"status": f"{turn} success", "id": n + 1} for n in range(size)] == answer
        account.seconds += 1
    store = account.sandbox.store
    stored = [store.receiver(int(GROUP), row["email"]) or {} for row in rows]
    assert [row["global_attributes"] for row in rows] == [it["global_attributes"] for it in stored]
    assert [2] * size == [len(it["orders"]) for it in stored]
    assert [1001] * size == [it["last_changed"] for it in stored]
    account.sandbox.close()


def test_a_repeated_import_writes_only_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that change nothing cost one statement for all of them, within the second none."""
    account = Account(Behaviour())
    store = account.sandbox.store
    rows: list[Row] = [{"email": f"p{n}@example.org", "tags": ["a"]} for n in range(10)]
    account.write(rows, "upsert")
    statements: list[str] = []
    values: list[object] = []
    run = store.run

    def run_and_note(sql: str, *arguments: object) -> int:
        """Note the statement."""
        statements.append(sql)
        return run(sql, *arguments)

    def note(_table: str, _columns: str, inserted: list[object], _conflict: str = "") -> None:
        """Note the values of an insert."""
        values.extend(inserted)

    monkeypatch.setattr(store, "run", run_and_note)
    monkeypatch.setattr(store, "insert_all", note)
    account.write(rows, "upsert")
    assert ([], []) == (statements, values)
    account.seconds += 1
    account.write(rows, "upsert")
    (statement,) = statements
    assert statement.startswith("UPDATE members SET last_changed = ? WHERE")
    assert [] == values
    assert {1001} == {row["last_changed"] for row in account.tables()["members"]}
    account.sandbox.close()
