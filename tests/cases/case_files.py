"""Files that were imported with the wrong result."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cases.registry import case
from support.accounts import Account, attribute

from cleverreach_async import ReceiverInput, SourceError, read_rows

FILES = Path(__file__).parent / "files"
ANN, BEN = "ann@example.org", "ben@example.org"
EARLIER = 1_577_836_800
"""A time before the ones in the files."""


def rows_of(name: str, **options: Any) -> Any:
    """Open a file of the cases."""
    return read_rows(FILES / name, **options)


async def outcomes(account: Account, name: str, **options: Any) -> list[str]:
    """Import a file and return the outcome of each row."""
    return (await account.load(rows_of(name), **options)).outcomes()


def day(moment: datetime | None) -> str | None:
    """Return the day of a time."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d}"


# Consent.


@case("lift_unsubscribe.csv", "stays unsubscribed; deactivated is not sent", (False, "2020-01-01"))
async def _(account: Account) -> Any:
    before = ReceiverInput(ANN, deactivated=EARLIER)
    await account.client.receivers.upsert(before, group_id=account.group_id)
    await account.load(rows_of("lift_unsubscribe.csv"))
    ann = await account.person(ANN)
    return ann.active, day(ann.deactivated)


@case(
    "newsletter_nein.csv",
    "ben excluded, ann accepted",
    (["accepted", "excluded: not_subscribed"], [ANN]),
)
async def _(account: Account) -> Any:
    found = await outcomes(account, "newsletter_nein.csv")
    return found, [*await account.people()]


@case("doi_empty.csv", "ben inactive if new", {ANN: True, BEN: False})
async def _(account: Account) -> Any:
    await account.load(rows_of("doi_empty.csv"))
    return {email: it.active for email, it in (await account.people()).items()}


@case("doi_empty.csv, ben is known", "ben untouched if known", {ANN: True, BEN: True})
async def _(account: Account) -> Any:
    known = ReceiverInput(BEN, registered=EARLIER, activated=EARLIER)
    await account.client.receivers.upsert(known, group_id=account.group_id)
    await account.load(rows_of("doi_empty.csv"))
    return {email: it.active for email, it in sorted((await account.people()).items())}


@case("dup_unsub.csv", "ann unsubscribed, city Kiel", (False, "2024-01-31", "Kiel"))
async def _(account: Account) -> Any:
    await account.load(rows_of("dup_unsub.csv"))
    ann = await account.person(ANN)
    return ann.active, day(ann.deactivated), attribute(ann, "city")


for _name, _code in {
    "brevo_blacklisted.csv": "blacklisted",
    "mailchimp_unsub.csv": "unsubscribed",
    "shopware6_optout.csv": "unsubscribed",
}.items():

    @case(_name, "excluded", ([f"excluded: {_code}"], []))
    async def _(account: Account, name: str = _name) -> Any:
        return await outcomes(account, name), [*await account.people()]

    @case(f"{_name}, deactivate", "deactivated on request", (["accepted"], [False]))
    async def _(account: Account, name: str = _name) -> Any:
        found = await outcomes(account, name, not_subscribed="deactivate")
        return found, [it.active for it in (await account.people()).values()]


# Values.


@case(
    "date_9999.csv",
    "row 2 rejected as invalid_date, 1 and 3 accepted",
    ["accepted", "rejected: invalid_date", "accepted"],
)
async def _(account: Account) -> Any:
    return await outcomes(account, "date_9999.csv")


@case("ms_times.jsonl", "rejected as invalid_date", ["rejected: invalid_date"])
async def _(account: Account) -> Any:
    return await outcomes(account, "ms_times.jsonl")


@case("eq_wrapped.csv", "01067", ["01067", "0351 123", "00017"])
async def _(account: Account) -> Any:
    await account.load(rows_of("eq_wrapped.csv"))
    return attribute(await account.person(ANN), "zip", "phone", "customer_number")


@case("zero_width.csv", "an address without U+200B", ([ANN], 1))
async def _(account: Account) -> Any:
    loaded = await account.load(rows_of("zero_width.csv"))
    return [*await account.people()], loaded.report.changed_values


@case(
    "tags_semicolon.csv",
    "VIP and Kunde_Kiel; VIP and Blog",
    [("VIP", "Kunde_Kiel"), ("VIP", "Blog")],
)
async def _(account: Account) -> Any:
    await account.load(rows_of("tags_semicolon.csv"))
    return [(await account.person(f"{name}@example.org")).tags for name in "ab"]


@case(
    "gender_number.csv",
    "female by the account's type; 1234.56; the relative -5 refused with a remedy",
    (["female", "1234.56"], ["accepted", "rejected: relative_number"], True),
)
async def _(account: Account) -> Any:
    await account.client.attributes.create(name="salutation", type="gender")
    await account.client.attributes.create(name="umsatz", type="number")
    source = rows_of("gender_number.csv", mapping={"Umsatz": "umsatz"})
    report = await account.client.bulk.upsert(source, group_id=account.group_id)
    ann = await account.person(ANN)
    found = ["accepted", *(f"rejected: {code}" for code in report.reasons)]
    has_remedy = "--relative" in report.samples[0].message
    return attribute(ann, "salutation", "umsatz"), found, has_remedy


@case(
    "birthdays.csv",
    "one rule; implausible years left out and counted",
    (["1928-03-05", "1980-05-05", ""], 1),
)
async def _(account: Account) -> Any:
    loaded = await account.load(rows_of("birthdays.csv"))
    people = [await account.person(f"{name}@example.org") for name in "abc"]
    return [attribute(it, "birthday") for it in people], loaded.report.dropped_values


# Files.


@case(
    "shift_empty_tail.csv",
    "row 1 rejected (width), row 2 accepted",
    ["rejected: ragged_row", "accepted"],
)
async def _(account: Account) -> Any:
    return await outcomes(account, "shift_empty_tail.csv")


@case("short_row_shift.csv", "ben rejected (width)", ["accepted", "rejected: ragged_row"])
async def _(account: Account) -> Any:
    return await outcomes(account, "short_row_shift.csv")


@case(
    "quote_pair.csv",
    "all rows that a stray quote swallowed are reported with their lines",
    [(2, "torn_quote"), (3, ""), (4, "torn_quote")],
)
async def _(account: Account) -> Any:
    loaded = await account.load(rows_of("quote_pair.csv"))
    return sorted((it.line, it.code) for it in loaded.results)


@case(
    "truncated.csv",
    "the last row rejected: the file may be cut",
    ["accepted", "rejected: cut_row"],
)
async def _(account: Account) -> Any:
    return await outcomes(account, "truncated.csv")


for _name, _encoding in {"macroman.csv": "mac_roman", "cp850.csv": "cp850"}.items():

    @case(_name, "refused with the candidates", (_encoding, True))
    async def _(account: Account, name: str = _name, encoding: str = _encoding) -> Any:
        del account
        try:
            await rows_of(name).inspect()
        except SourceError as error:
            text = str(error)
            return encoding if encoding in text else text, "--encoding" in text
        return "read"

    _stored = ["Jürgen", "Köln"] if _encoding == "mac_roman" else ["Jörg", "Straße"]

    @case(f"{_name}, --encoding", "decoded right", _stored)
    async def _(account: Account, name: str = _name, encoding: str = _encoding) -> Any:
        await account.load(rows_of(name, encoding=encoding))
        return attribute(await account.person(ANN), "firstname", "city")
