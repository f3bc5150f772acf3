"""No value of an attribute is lost silently: it is stored, or something says that it is not."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import CleverReach, ImportFailedError, ImportReport, OAuthApp, ReceiverInput
from cleverreach_async.sandbox import Behaviour, Sandbox
from cleverreach_async.sandbox.server import running

SPELLINGS = {
    "first_name": ("first_name", "First Name", "FIRST-NAME"),
    "city": ("city", "City", " CITY"),
    "plan": ("plan", "Plan"),
}
STORED = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}

Values = Mapping[str, str]
Mode = Literal["check", "create", "ignore"]

maps = st.dictionaries(st.sampled_from(sorted(STORED)), st.sampled_from(["a", "b"]), max_size=3)
rows = st.lists(st.tuples(maps, maps), max_size=6)


def sandbox_with(
    names: set[str], of_group: set[str], spelling: Literal["stored", "any"]
) -> Sandbox:
    """A sandbox with group 7 and text attributes."""
    sandbox = Sandbox(behaviour=Behaviour(attribute_spelling=spelling))
    store = sandbox.store
    store.run("INSERT INTO recipient_groups VALUES (7, 'N', 0, 0, '', 0, 0, 0)")
    for owner, found in ((0, names), (7, of_group)):
        for name in sorted(found):
            store.run(
                "INSERT INTO attributes (group_id, name, type, description, preview_value, tag)"
                " VALUES (?, ?, 'text', '', '', '')",
                owner,
                name,
            )
    return sandbox


async def upsert(
    sandbox: Sandbox, receivers: Sequence[ReceiverInput], mode: Mode
) -> tuple[ImportReport, ImportFailedError | None]:
    """Import receivers; returns the report, and the error if there was one."""
    transport = httpx.ASGITransport(app=sandbox.app)
    app = OAuthApp("sandbox", "sandbox-secret")
    async with (
        httpx.AsyncClient(transport=transport) as http_client,
        CleverReach(app.client_credentials(), http_client=http_client) as cr,
    ):
        try:
            return await cr.bulk.upsert(receivers, group_id=7, attributes=mode), None
        except ImportFailedError as error:
            return error.report, error


def meant(values: Values) -> dict[str, str] | None:
    """The values by stored name; ``None`` if two names are one attribute."""
    found = {STORED[name]: value for name, value in values.items()}
    return found if len(found) == len(values) else None


@given(
    rows=rows,
    names=st.sets(st.sampled_from(sorted(SPELLINGS))),
    of_group=st.sets(st.sampled_from(sorted(SPELLINGS))),
    spelling=st.sampled_from(["stored", "any"]),
    mode=st.sampled_from(["check", "create", "ignore"]),
)
def test_every_value_is_stored_or_said_to_be_lost(
    rows: list[tuple[Values, Values]],
    names: set[str],
    of_group: set[str],
    spelling: Literal["stored", "any"],
    mode: Mode,
) -> None:
    """In each mode, whatever attributes exist, and whatever names the server takes."""
    receivers = [
        ReceiverInput(f"a{n}@example.org", global_attributes=account, attributes=group)
        for n, (account, group) in enumerate(rows)
    ]
    with sandbox_with(names, of_group, spelling) as sandbox:
        report, error = anyio.run(upsert, sandbox, receivers, mode)
        stored = [sandbox.store.receiver(7, it.email) for it in receivers]
    lost = 0
    for (account, group), found in zip(rows, stored, strict=True):
        expected: Any = (meant(account), meant(group))
        if found is None:
            continue
        kept: Any = (found["global_attributes"], found["attributes"])
        if mode == "ignore":
            lost += sum(
                bool(value) and STORED[name] not in values
                for sent, values in zip((account, group), kept, strict=True)
                for name, value in sent.items()
            )
        else:
            assert expected == kept
    is_complete = sum(it is not None for it in stored) == report.accepted
    assert (is_complete, lost if mode == "ignore" else 0) == (True, report.dropped_values)
    unknown = [
        any(STORED[name] not in names for name in account)
        or any(STORED[name] not in of_group for name in group)
        for account, group in rows
    ]
    assert (error is not None) == (mode == "check" and any(unknown))
    if error is not None:
        first = unknown.index(True)
        assert all(it is None for it in stored[first:])
        assert re.search("the (account|group) has no attribute", str(error))


def test_a_rejected_row_is_not_sent() -> None:
    """Two spellings of one attribute: which value is meant is unknown."""
    receiver = ReceiverInput("a@example.org", global_attributes={"city": "a", "City": "b"})
    with sandbox_with({"city"}, set(), "any") as sandbox:
        report, _ = anyio.run(upsert, sandbox, [receiver], "check")
        assert None is sandbox.store.receiver(7, "a@example.org")
    assert {"repeated_attribute": 1} == report.reasons


@pytest.mark.socket
def test_the_readme_stores_every_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its block runs as it stands, twice, against the sandbox."""
    text = Path(__file__).parents[2].joinpath("README.md").read_text("utf-8")
    block = next(it for it in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "bulk" in it)
    (tmp_path / "customers.csv").write_text("email;Vorname\nann@example.org;Ann\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox, running(sandbox) as url:
        monkeypatch.setenv("CLEVERREACH_BASE_URL", url)
        monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "sandbox")
        monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "sandbox-secret")
        for _ in range(2):
            exec(block, {"__name__": "__main__"})  # noqa: S102 - our own documentation
        group_id = sandbox.store.group_id("Newsletter") or 0
        stored = sandbox.store.receiver(group_id, "ann@example.org") or {}
        assert ["ann@example.org"] == sandbox.store.emails(group_id)
        assert {"firstname": "Ann"} == stored["global_attributes"]
