"""Everyday mistakes of callers: each is told what to do instead, and nothing is sent."""

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cleverreach_async import (
    AuthenticationError,
    CleverReach,
    ConfigurationError,
    ImportFailedError,
    OAuthApp,
    OrderInput,
    ReceiverInput,
    SourceRow,
    read_csv,
)

ADDRESS = "ann@example.org"
APP = OAuthApp("id", "secret")

Act = Callable[[Any], Awaitable[object]]


@pytest.fixture
def asked() -> list[httpx.Request]:
    """The requests that were sent."""
    return []


@pytest.fixture
def cr(asked: list[httpx.Request]) -> CleverReach:
    """A client whose server stores every receiver."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=[{"id": 1, "email": ADDRESS}])

    return CleverReach(
        "token", http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer))
    )


@pytest.mark.parametrize(
    ("auth", "remedy"),
    [
        (APP, r"app\.client_credentials\(\).*app\.user"),
        (None, r"client_credentials\(\), an access token as text, or use CleverReach\.from_env"),
        ("", "token is empty"),
        (("id", "secret"), r"of type tuple; pass OAuthApp\(client_id"),
        (b"token", "of type bytes; pass OAuthApp"),
        ("Bearer abc", "begins with the word Bearer; pass it without"),
    ],
)
def test_credentials_of_another_kind(auth: Any, remedy: str) -> None:
    """Also for a sibling; no secret is shown."""
    with pytest.raises(ConfigurationError, match=remedy) as raised:
        CleverReach(auth)
    with pytest.raises(ConfigurationError, match=remedy):
        CleverReach("token").with_auth(auth)
    assert "secret'" not in f"{raised.value}"


def test_a_client_that_is_not_async() -> None:
    """It would fail at the first call."""
    with httpx.Client() as client, pytest.raises(ConfigurationError, match=r"httpx\.AsyncClient"):
        CleverReach("token", http_client=client)


def upsert(receiver: object) -> Act:
    """Write one receiver."""
    return lambda cr: cr.receivers.upsert(receiver, group_id=1)


REFUSED: dict[str, tuple[Act, str]] = {
    "text": (upsert(ADDRESS), r"of type str; pass ReceiverInput\(email=…, …\), or a mapping"),
    "none": (upsert(None), r"None; pass ReceiverInput\("),
    "unknown field": (
        upsert({"email": ADDRESS, "Tag": "a"}),
        "no field 'Tag': did you mean 'tags'",
    ),
    "attribute": (upsert({"email": ADDRESS, "firstname": "A"}), "belong in global_attributes"),
    "e-mail": (upsert({"E-Mail": ADDRESS}), "did you mean 'email'"),
    "no address": (upsert({"tags": "a"}), "the receiver has no email"),
    "one order": (
        upsert({"email": ADDRESS, "orders": {"order_id": "1", "product": "p"}}),
        r"pass a list of orders: \[order\]",
    ),
    "one of many": (
        lambda cr: cr.receivers.upsert_many(ReceiverInput(ADDRESS), group_id=1),
        r"pass a list of receivers: \[receiver\]",
    ),
    "mapping of many": (
        lambda cr: cr.receivers.insert_many({"email": ADDRESS}, group_id=1),
        r"pass a list of receivers: \[receiver\]",
    ),
    "text of many": (
        lambda cr: cr.receivers.update_many("ann", group_id=1),
        r"pass a list of receivers: \[receiver\]",
    ),
    "update": (lambda cr: cr.receivers.update(1, ADDRESS, group_id=1), r"pass ReceiverInput\("),
    "create": (lambda cr: cr.receivers.create(ADDRESS, group_id=1), r"pass ReceiverInput\("),
    "order": (lambda cr: cr.orders.create(1, "A-17"), r"pass OrderInput\(order_id=…, …\)"),
    "order field": (
        lambda cr: cr.orders.create(1, {"order_id": "1", "product": "p", "prize": 2}),
        "did you mean 'price'",
    ),
    "date": (upsert(ReceiverInput(ADDRESS, registered=date(2025, 1, 2))), "an aware datetime"),  # type: ignore[arg-type]
    "naive": (
        upsert(ReceiverInput(ADDRESS, registered=datetime(2025, 1, 2))),  # noqa: DTZ001
        r"registered is .* no time zone; pass an aware datetime, such as datetime\.now\(UTC\)",
    ),
    "text as time": (
        upsert({"email": ADDRESS, "activated": "2025-01-02"}),
        "activated is .* no time zone; pass an aware datetime",
    ),
    "words as time": (upsert({"email": ADDRESS, "registered": "now"}), "an aware datetime"),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("act", "remedy"), REFUSED.values(), ids=REFUSED)
async def test_a_receiver_that_is_none(
    cr: CleverReach, asked: list[httpx.Request], act: Act, remedy: str
) -> None:
    """A single call says what to pass."""
    with pytest.raises(ConfigurationError, match=remedy):
        await act(cr)
    assert [] == asked


FIELDS = {"email": ADDRESS, "tags": ["vip", "gold"], "source": None}
TAKEN: dict[str, Act] = {
    "upsert": lambda cr: cr.receivers.upsert(FIELDS, group_id=1),
    "upsert_many": lambda cr: cr.receivers.upsert_many([FIELDS], group_id=1),
    "upsertplus_many": lambda cr: cr.receivers.upsertplus_many([FIELDS], group_id=1),
    "create": lambda cr: cr.receivers.create(FIELDS, group_id=1),
    "update": lambda cr: cr.receivers.update(1, FIELDS, group_id=1),
    "one text": lambda cr: cr.receivers.upsert(
        ReceiverInput(ADDRESS, tags="vip, gold"), group_id=1
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("act", TAKEN.values(), ids=TAKEN)
async def test_mappings_and_one_text_of_tags_are_taken(
    cr: CleverReach, asked: list[httpx.Request], act: Act
) -> None:
    """As they are in imports; ``None`` is no value."""
    await act(cr)

    [request] = asked
    wanted = b'{"email":"ann@example.org","tags":["vip","gold"]}'
    assert request.content.strip(b"[]") == wanted


@pytest.mark.anyio
async def test_a_mapping_of_an_order_is_taken(cr: CleverReach, asked: list[httpx.Request]) -> None:
    """Alone, and in a receiver."""
    order = {"order_id": "1", "product": "Lamp", "price": 2}
    await cr.orders.create(1, order, group_id=1)
    await cr.orders.create(1, OrderInput("1", "Lamp", price=2), group_id=1)
    await cr.receivers.upsert({"email": ADDRESS, "orders": [order]}, group_id=1)

    first, second, third = (request.content for request in asked)
    assert first == second
    assert b'"price":2' in first
    assert first in third


async def _a_coroutine() -> list[object]:
    return []


def _a_generator() -> Iterator[object]:
    yield ADDRESS


class _Frame:
    __arrow_c_stream__ = None

    def __iter__(self) -> Iterator[str]:
        return iter(["email"])


SOURCES: dict[str, tuple[object, str]] = {
    "path": ("customers.csv", r"read_rows\(path\) or read_csv\(path\)"),
    "Path": (Path("customers.csv"), r"read_rows\(path\) or read_csv\(path\)"),
    "bytes": (b"customers.csv", r"read_rows\(path\) or read_csv\(path\)"),
    "address": (ADDRESS, r"pass a list .*\[source\]"),
    "mapping": ({"email": ADDRESS}, r"pass a list, even for one receiver: \[source\]"),
    "receiver": (ReceiverInput(ADDRESS), r"pass a list, even for one receiver: \[source\]"),
    "row": (SourceRow(ReceiverInput(ADDRESS), 1), r"pass a list, even for one receiver"),
    "none": (None, r"source is None; pass a list .* read_csv\(path\)"),
    "number": (7, r"of type int; pass a list"),
    "frame": (_Frame(), r"read_arrow\(source\)"),
    "function": (_a_generator, "call it first"),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("source", "remedy"), SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("verb", ["upsert", "insert", "update", "delete"])
async def test_a_source_that_is_none(
    cr: CleverReach, asked: list[httpx.Request], tmp_path: Path, verb: str, source: Any, remedy: str
) -> None:
    """The letters of a path are no addresses; no journal is begun."""
    journal = tmp_path / "journal"
    with pytest.raises(ConfigurationError, match=remedy):
        await getattr(cr.bulk, verb)(source, group_id=1, journal=journal)
    assert ([], False) == (asked, journal.exists())


@pytest.mark.anyio
async def test_a_source_that_was_not_awaited(cr: CleverReach) -> None:
    """Such as the result of an async function."""
    source: Any = _a_coroutine()
    with pytest.raises(ConfigurationError, match="await it first"):
        await cr.bulk.upsert(source, group_id=1)
    source.close()


@pytest.mark.anyio
async def test_sources_of_every_kind_are_taken(cr: CleverReach, tmp_path: Path) -> None:
    """Lists, generators, sets, async generators, files."""

    async def rows() -> AsyncIterator[str]:
        yield ADDRESS

    (tmp_path / "a.csv").write_text(f"email\n{ADDRESS}\n")
    for source in ([ADDRESS], {ADDRESS}, _a_generator(), rows(), read_csv(tmp_path / "a.csv")):
        given: Any = source
        report = await cr.bulk.upsert(given, group_id=1)
        assert 1 == report.accepted


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("workers", 3, "unknown option workers: did you mean concurrency?"),
        ("batchsize", 3, "did you mean batch_size?"),
        ("chunk_size", 3, "did you mean batch_size?"),
        ("on_progres", None, "did you mean on_progress?"),
        ("reject", "a", "did you mean rejects?"),
        ("xyz", 1, "unknown option xyz: the options are concurrency, "),
        ("concurrency", "x", "concurrency is 'x'; it must be a whole number from 1 to 32"),
        ("batch_size", None, "batch_size is None; it must be a whole number from 1 to 1000"),
        ("timeout", "30", "timeout is '30'; it must be a number of 0 or more"),
    ],
)
async def test_an_option_that_is_none(
    cr: CleverReach, option: str, value: object, remedy: str
) -> None:
    """In every call, and in ``open``."""
    options: dict[str, Any] = {option: value}
    with pytest.raises(ConfigurationError) as raised:
        await cr.bulk.upsert([], group_id=1, **options)
    assert remedy in f"{raised.value}"
    with pytest.raises(ConfigurationError) as raised:
        async with cr.bulk.open(group_id=1, **options):
            pass
    assert remedy in f"{raised.value}"


def test_a_list_that_was_not_awaited(cr: CleverReach) -> None:
    """Its repr and every use as a list say so."""
    groups: Any = cr.groups.list()

    assert "await" in repr(groups)
    uses: list[Callable[[], object]] = [
        lambda: list(groups),
        lambda: len(groups),
        lambda: groups[0],
        lambda: bool(groups),
        lambda: 1 in groups,
    ]
    for use in uses:
        with pytest.raises(TypeError, match=r"use `async for .*`page = await …`"):
            use()
    with pytest.raises(AttributeError, match=r"'items': .*`page = await …`"):
        _ = groups.items


@pytest.mark.anyio
async def test_a_page_is_not_iterated_over_asynchronously(cr: CleverReach) -> None:
    """It holds the first items only."""
    page: Any = await cr.groups.list()
    with pytest.raises(TypeError, match="leave out `await`"):
        async for _ in page:
            pass


def test_a_client_is_opened_with_async_with(cr: CleverReach) -> None:
    """The message says so."""
    client: Any = cr
    with pytest.raises(TypeError, match="use `async with CleverReach"), client:
        pass


@pytest.mark.anyio
async def test_401_has_the_advice_of_the_command() -> None:
    """In calls and in imports."""
    answer = httpx.MockTransport(lambda _: httpx.Response(401, json={"error": "Unauthorized"}))
    cr = CleverReach("token", http_client=httpx.AsyncClient(transport=answer))

    with pytest.raises(AuthenticationError, match="check the token or the client id and secret"):
        await cr.groups.list()
    with pytest.raises(ImportFailedError, match="check the token or the client id and secret"):
        await cr.bulk.upsert([ADDRESS], group_id=1)


@pytest.mark.parametrize(
    ("library", "use", "extra"),
    [
        ("starlette", "import cleverreach_async.sandbox", "sandbox"),
        ("pyarrow", "from cleverreach_async import *; [*read_parquet('a.parquet')]", "arrow"),
        ("python_calamine", "from cleverreach_async import *; [*read_excel('a.xlsx')]", "excel"),
        ("filelock", "from cleverreach_async import *; FileTokenStore('a')", "files"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, library: str, use: str, extra: str) -> None:
    """With the command that installs it."""
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    program = f"import sys; sys.modules[{library!r}] = None; {use}"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert f"pip install 'cleverreach-async[{extra}]'" in done.stderr.splitlines()[-1]
