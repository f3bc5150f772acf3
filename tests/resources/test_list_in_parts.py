"""Listing receivers by many addresses or ids: no URL above 4 kB, and none is left out."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.parts import parts_within
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.transport.wire import Request, Response

pytestmark = pytest.mark.anyio

ROOT = "https://rest.cleverreach.com"
PEOPLE = [f"first.last+{n}@department-{n % 7}.mail.example" for n in range(1200)]
NUMBERS = {email: n for n, email in enumerate(PEOPLE, start=100_000_001)}
IDS = [*NUMBERS.values()]


class Group:
    """Responds to a listing as the API does, and records the requests."""

    def __init__(self, missing: Sequence[str] = ()) -> None:
        self.sent: list[Request] = []
        self.missing = {*missing}
        self.ignores_list = False

    async def call(self, request: Request) -> Response:
        """Return the receivers that are asked for, page by page."""
        self.sent.append(request)
        query = {name: it[0] for name, it in parse_qs(urlsplit(request.target).query).items()}
        wanted = {*query.get("email_list", "").split(","), *query.get("id_list", "").split(",")}
        found = [
            {"id": number, "email": email}
            for email, number in NUMBERS.items()
            if email not in self.missing
            and (self.ignores_list or not wanted.isdisjoint((email, str(number))))
        ]
        start = int(query["page"]) * int(query["pagesize"])
        page = found[start : start + int(query["pagesize"])]
        return Response(200, {}, msgspec.json.encode(page))

    @property
    def longest(self) -> int:
        """Characters of the longest URL."""
        return max(len(ROOT + request.target) for request in self.sent)


@pytest.mark.parametrize("number", [1, 50, 86, 120, 500, 1200])
@pytest.mark.parametrize("page_size", [1, 7, 50, 500, 5000])
@pytest.mark.parametrize("name", ["emails", "ids"])
async def test_every_address_is_found(number: int, page_size: int, name: str) -> None:
    """Whatever the page size; the URLs stay short."""
    if number > 120 and page_size == 1:
        page_size = 3
    group = Group(missing=PEOPLE[3:6])
    wanted: dict[str, Any] = {name: (PEOPLE if name == "emails" else IDS)[:number]}
    listing = Receivers(group.call).list(group_id=7, page_size=page_size, **wanted)
    found = [receiver.email async for receiver in listing]
    assert [it for it in PEOPLE[:number] if it not in group.missing] == found
    assert group.longest <= 4096


async def test_awaiting_gives_a_whole_page() -> None:
    """500 addresses fit into the first page, though they take several requests."""
    group = Group()
    page = await Receivers(group.call).list(group_id=7, emails=PEOPLE[:500])
    assert (500, True, 0) == (len(page), page.is_last, page.number)
    assert (True, True) == (4 <= len(group.sent) <= 10, group.longest <= 4096)


async def test_few_addresses_take_one_request() -> None:
    """As before, the server sorts and pages them."""
    group = Group()
    listing = Receivers(group.call).list(group_id=7, emails=PEOPLE[:50], order_by="id ASC")
    assert 50 == len(await listing)
    assert 1 == len(group.sent)


async def test_an_address_is_requested_once() -> None:
    """Otherwise it would come twice where its repetition is in another part."""
    group = Group()
    wanted = [*PEOPLE[:300], *[it.upper() for it in PEOPLE[:300]], *PEOPLE[:300]]
    assert 300 == len(await Receivers(group.call).list(group_id=7, emails=[*wanted, *PEOPLE[:300]]))


@pytest.mark.parametrize(
    "more", [{"order_by": "registered ASC"}, {"ids": [1]}], ids=["order", "both"]
)
async def test_what_parts_cannot_do_is_refused(more: dict[str, Any]) -> None:
    """Parts cannot be sorted as a whole, nor two lists be combined."""
    with pytest.raises(ConfigurationError, match="do not fit into one URL"):
        Receivers(Group().call).list(group_id=7, emails=PEOPLE[:500], **more)


async def test_a_server_that_ignores_the_addresses() -> None:
    """Its other receivers are not passed off as those that were asked for."""
    group = Group()
    group.ignores_list = True
    with pytest.raises(ResponseDecodeError, match="others than were asked for"):
        await Receivers(group.call).list(group_id=7, emails=PEOPLE[:500])


async def test_an_address_that_fits_into_no_url() -> None:
    """The error does not show it."""
    with pytest.raises(ConfigurationError, match="5000 characters does not fit") as caught:
        await Receivers(Group().call).list(group_id=7, emails=["a@" + "x" * 4998])
    assert "xxx" not in str(caught.value)


@given(st.lists(st.text(max_size=12)), st.integers(150, 300))
def test_parts_hold_every_value_and_fit(values: list[str], most: int) -> None:
    """In order, none twice, and as few parts as their room allows."""
    parts = parts_within(values, most)
    assert values == [value for part in parts for value in part]
    for part in parts:
        assert len(_query(part)) <= most
    for before, after in pairwise(parts):
        assert len(_query([*before, after[0]])) > most


def _query(values: Sequence[str]) -> str:
    return quote_plus(",".join(values), errors="replace")
