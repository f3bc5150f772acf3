"""Cells to dates, gender and tags."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from datetime import timezone as fixed
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import UNSET, BadRow, ConfigurationError, SourceRow, Unset
from cleverreach_async.sources import read_csv
from cleverreach_async.sources.converters import gender, tags
from cleverreach_async.sources.dates import day_parser, time_parser
from cleverreach_async.sources.rows import BadValueError

BERLIN = ZoneInfo("Europe/Berlin")
parse_time = time_parser(BERLIN, date(2026, 11, 29))
parse_day = day_parser(BERLIN)


def at(*parts: int) -> int:
    """Return the unix seconds of a local time in Berlin."""
    year, month, day, *clock = parts
    hour, minute, second = (*clock, 0, 0, 0)[:3]
    return int(datetime(year, month, day, hour, minute, second, tzinfo=BERLIN).timestamp())


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("31.12.2025", at(2025, 12, 31)),
        ("1.7.2025", at(2025, 7, 1)),
        (" 31.12.25 ", at(2025, 12, 31)),
        ("31.12.70", at(1970, 12, 31)),
        ("31.12.2025 14:30", at(2025, 12, 31, 14, 30)),
        ("31.12.2025 14:30:05", at(2025, 12, 31, 14, 30, 5)),
        ("31.12.2025, 9:05 Uhr", at(2025, 12, 31, 9, 5)),
        ("1.7.25  14:30", at(2025, 7, 1, 14, 30)),
        ("2025-12-31", at(2025, 12, 31)),
        ("2025-07-01 14:30", at(2025, 7, 1, 14, 30)),
        ("2025-07-01T14:30:05", at(2025, 7, 1, 14, 30, 5)),
        ("2025-07-01T14:30:05.123", at(2025, 7, 1, 14, 30, 5)),
        ("2025-12-31T14:30:05Z", 1767191405),
        ("2025-12-31T14:30:05+01:00", 1767187805),
        ("2025-12-31T14:30:05.999-0230", 1767200405),
        ("2025-12-31T14:30+01", 1767187800),
        ("1767187805", 1767187805),
        ("999999999", 999999999),
        ("0", 0),
        ("0000-00-00 00:00:00", 0),
        ("00.00.0000", 0),
        ("01.01.1970", 0),
        ("02.01.1970", 82800),
        ("30.03.2025 12:00", at(2025, 3, 30, 12)),
        ("26.10.2025 02:30", 1761438600),
        ("26.10.2025 12:00", at(2025, 10, 26, 12)),
        ("31.12.2099 12:00", at(2099, 12, 31, 12)),
        ("0.0.00", 0),
    ],
)
def test_times_in_all_formats(cell: str, seconds: int) -> None:
    """Naive ones are local times of the zone, also on days of a clock change."""
    assert seconds == parse_time(cell)


@pytest.mark.parametrize("cell", ["", "  ", "\u00a0"])
def test_an_empty_cell_is_not_a_time(cell: str) -> None:
    """It is not sent, which is different from 0."""
    assert parse_time(cell) is UNSET
    assert parse_day(cell) is UNSET


@pytest.mark.parametrize(
    "cell",
    [
        *("31.02.2024", "2023-02-29", "31.13.2025", "00.01.2025", "2025-12-31 24:30", "gestern"),
        *("31/12/2025", "12-31-2025", "20251231", "1767187805000", "1", "-5", "31.12.1969"),
        *("1969-12-31", "31.12.2025 25:00", "31.12.2025x14:30", "31.12.2025 14.30", "31.12."),
        *("31.12.2025 14:30+24:00", "2025-W52-1", "2025-W5.01", "\u0663\u0661.12.2025"),
        *("31.12.9999", "31.12.9999 23:59:59", "01.01.2100", "2100-01-01T00:00:00Z", "9999999999"),
        *("2025-12-3112:30:00", "2025/12/31", "31.12.2025 143005", "31-12.2025", "0000-12-31"),
    ],
)
def test_other_text_is_refused(cell: str) -> None:
    """No guess is made between day and month, or between a date and a number."""
    with pytest.raises(ValueError, match=r"."):
        parse_time(cell)


@given(
    moment=st.datetimes(datetime(1971, 1, 1), datetime(2037, 12, 31)),  # noqa: DTZ001
    form=st.sampled_from(
        ["%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%d.%m.%Y"]
    ),
    zone=st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
)
def test_the_fast_path_gives_the_same_result(moment: datetime, form: str, zone: str) -> None:
    """Whatever is cached, the result is that of the datetime module."""
    text = moment.strftime(form)
    clock = datetime.strptime(text, form).replace(tzinfo=ZoneInfo(zone))
    assert int(clock.timestamp()) == time_parser(ZoneInfo(zone))(text)


@given(st.text("0123456789.-: TZ+Uhr,", max_size=22))
def test_text_is_a_date_or_refused(text: str) -> None:
    """No cell raises anything but ``ValueError``."""
    for parse in (parse_time, parse_day):
        with contextlib.suppress(ValueError):
            parse(text)


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("12.03.1985", "1985-03-12"),
        ("1.3.85", "1985-03-01"),
        ("1.3.30", "1930-03-01"),
        ("1.3.29", "2029-03-01"),
        ("31.12.2099", "2099-12-31"),
        ("01.01.1900", "1900-01-01"),
        ("1980-05-04T22:00:00Z", "1980-05-05"),
        ("1980-05-04 22:00:00", "1980-05-04"),
        ("1985-03-12", "1985-03-12"),
        ("1985-03-12T00:00:00+01:00", "1985-03-12"),
        ("0000-00-00", UNSET),
    ],
)
def test_days_are_sent_in_the_format_of_the_api(cell: str, day: object) -> None:
    """The day of a time with an offset is the one in the zone."""
    assert day == parse_day(cell)


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("05.03.28", "1928-03-05"),
        ("29.11.26", "2026-11-29"),
        ("30.11.26", "1926-11-30"),
        ("29.02.00", "2000-02-29"),
        ("1.3.99", "1999-03-01"),
        ("2026-11-29", "2026-11-29"),
    ],
)
def test_years_of_two_digits_of_past_days(cell: str, day: str) -> None:
    """The latest year that is not in the future."""
    parse = day_parser(BERLIN, is_past=True, today=date(2026, 11, 29))
    assert day == parse(cell)


@pytest.mark.parametrize("cell", ["30.11.2026", "0001-01-01", "31.12.1899", "01.01.2100", "0.0.00"])
def test_days_that_no_birthday_can_be(cell: str) -> None:
    """They are refused, and left out by the caller."""
    parse = day_parser(BERLIN, is_past=True, today=date(2026, 11, 29))
    with pytest.raises(ValueError, match=r"."):
        parse(cell)


def test_a_sign_up_is_never_in_the_future() -> None:
    """A year of two digits is the latest that is not."""
    parse = time_parser(BERLIN, date(2026, 11, 29))
    assert at(2026, 11, 29) == parse("29.11.26")
    with pytest.raises(ValueError, match="before 1970"):
        parse("30.11.26")


def test_a_bad_day_names_its_column_and_what_is_accepted(tmp_path: Path) -> None:
    """Then it can be corrected in the spreadsheet."""
    path = tmp_path / "customers.csv"
    path.write_text(
        "email;Registriert am;Geburtstag;Termin\na@x.example;31.02.2024;;\n"
        "b@x.example;;29.02.2023;\nc@x.example;;;ann@example.org\nd@x.example;;;Ostern\n"
    )
    items = list(
        read_csv(
            path,
            mapping={"Termin": "attributes.d"},
            date_attributes=["attributes.D"],
            strict=True,
        )
    )
    problems = [(item.code, item.message) for item in items if isinstance(item, BadRow)]
    assert [code for code, _ in problems] == ["invalid_date"] * 4
    first, second, third, fourth = (message for _, message in problems)
    assert first.startswith("column 'Registriert am': '31.02.2024': day is out of range")
    assert first.endswith("2025-12-31T14:30:05+01:00 or unix seconds")
    assert second.startswith("column 'Geburtstag': '29.02.2023'")
    assert second.endswith("it takes 31.12.2025, 31.12.25 or 2025-12-31")
    assert third == fourth
    assert "column 'Termin': the text in it: not a date" in third


@pytest.mark.parametrize(
    ("timezone", "seconds"),
    [
        ("Europe/Berlin", 1767135600),
        ("UTC", 1767139200),
        (UTC, 1767139200),
        (fixed(timedelta(hours=9)), 1767106800),
    ],
)
def test_the_zone_is_the_callers(tmp_path: Path, timezone: str, seconds: int) -> None:
    """By name or as an object."""
    path = tmp_path / "customers.csv"
    path.write_text("email;Registriert am\na@x.example;31.12.2025\n")
    (row,) = read_csv(path, timezone=timezone)
    assert isinstance(row, SourceRow)
    assert seconds == row.receiver.registered


@pytest.mark.parametrize("timezone", ["Europe/Bonn", "../etc/passwd", "", "Europe"])
def test_an_unknown_zone_is_refused(tmp_path: Path, timezone: str) -> None:
    """It is an error of the caller, whether or not the file exists."""
    with pytest.raises(ConfigurationError, match="Europe/Berlin"):
        read_csv(tmp_path / "nowhere.csv", timezone=timezone)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *((cell, "male") for cell in ("Herr", "m", " MALE ", "männlich", "Mr.")),
        *((cell, "female") for cell in ("Frau", "w", "F", "female", "Ms")),
        *((cell, "male") for cell in ("1", "Herrn", "Monsieur")),
        *((cell, "female") for cell in ("2", "Mme", "weiblich")),
        *((cell, UNSET) for cell in ("", "0", "9", "k.A.", "unbekannt")),
    ],
)
def test_gender_in_the_words_of_the_api(cell: str, expected: object) -> None:
    """Numbers are those of ISO 5218."""
    assert expected == gender(cell)


@pytest.mark.parametrize("cell", ["divers", "d", "Firma", "3", "keine Angabe"])
def test_other_genders_cannot_be_sent(cell: str) -> None:
    """The API has two; the value is left out, and counted."""
    with pytest.raises(BadValueError, match="neither male nor female"):
        gender(cell)


def test_tags_are_split() -> None:
    """At commas and bars; blanks around them are removed."""
    assert tags(" a b , c|d,,-e ") == ["a b", "c", "d", "-e"]
    assert tags(" , ") is UNSET


@pytest.mark.parametrize(
    "text",
    [
        *("2025-06-30 14:3", "2025-06-30 14:30:5", "2025-06-30 14:60", "2025-06-30 24:00"),
        *("2025-06-30-14:30", "2025-06-30 14:30:60", "2025-06-30 14", "2025-06-30 14:30 Uhr"),
        *("2025-06-30T14:30Z", "2025-06-30 14:30,5", " 2025-06-30 14:30", "2025-06-30 14:30:05.5"),
    ],
)
def test_a_time_is_read_alike_on_a_day_that_was_read_before(text: str) -> None:
    """The seconds of the day are remembered; what is no common form is read without them."""
    parse = time_parser(BERLIN, date(2026, 11, 29))

    def outcome() -> int | Unset | str:
        try:
            return parse(text)
        except BadValueError as error:
            return str(error)

    first = outcome()
    assert parse("2025-06-30 12:00:00") == 1_751_277_600
    assert parse("2025-06-30T23:59") == 1_751_320_740
    assert first == outcome()


@pytest.mark.parametrize("day", ["2025-03-30", "2025-10-26"])
def test_the_day_on_which_the_clock_changes(day: str) -> None:
    """It has two offsets, so no second of it is computed from its midnight."""
    parse = time_parser(BERLIN, date(2026, 11, 29))
    for hour in (0, 5, 1, 4):
        moment = datetime.fromisoformat(f"{day} {hour:02}:10:20").replace(tzinfo=BERLIN)
        assert int(moment.timestamp()) == parse(f"{day} {hour:02}:10:20")


def test_the_days_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of more days than that is read all the same."""
    monkeypatch.setattr("cleverreach_async.sources.dates._CACHED", 2)
    parse = time_parser(BERLIN, date(2026, 11, 29))
    found = [parse(f"2025-06-{day:02} 00:00") for day in (1, 2, 3, 1, 2, 3)]
    assert found[:3] == found[3:]
