"""Cells to values: dates as spreadsheets write them, gender, tags."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache, partial
from typing import Final
from zoneinfo import ZoneInfo

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import UNSET, Unset

__all__ = [
    "DATES_ACCEPTED",
    "TIMES_ACCEPTED",
    "date_attribute",
    "find_zone",
    "gender",
    "show_date",
    "tags",
    "time_parser",
    "unix_seconds",
]

DATES_ACCEPTED: Final = "31.12.2025, 31.12.25 or 2025-12-31"
TIMES_ACCEPTED: Final = (
    "31.12.2025, 31.12.2025 14:30:05, 2025-12-31, 2025-12-31T14:30:05+01:00 or unix seconds"
)

# Days repeat within a file and are kept; times to the second hardly do.
_CACHED: Final = 16384
_DAY: Final = len("31.12.2025")
_USUAL_LENGTHS: Final = frozenset({_DAY, len("31.12.2025 14:30"), len("31.12.2025 14:30:05")})
_BEFORE_CLOCK: Final = frozenset({"", " ", "T"})
_AFTER_HOUR: Final = frozenset({"", ":"})

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a clock on the wall, of any zone
_SECONDS_A_DAY: Final = 86400

_WRITTEN: Final = re.compile(
    r"(?:(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4}|\d\d)"
    r"|(?P<iso_year>\d{4})-(?P<iso_month>\d\d)-(?P<iso_day>\d\d))"
    r"(?:(?:,?[ ]+|T)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:[ ]?Uhr)?[ ]?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
# Anything shorter than nine digits is more likely a date without its dots than a second of the
# seventies, anything longer than ten is milliseconds.
_UNIX: Final = re.compile(r"0|\d{9,10}", re.ASCII)
_NEVER: Final = re.compile(r"(?:00\.00\.0000|0000-00-00)(?:[ T]00:00(?::00)?)?", re.ASCII)

# What somebody may have meant as a date; a name or an address in the wrong column is not shown.
_SHOWABLE: Final = re.compile(r"(?=.*\d)[\w.:/+, -]{1,25}")
_GENDERS: Final = {
    **dict.fromkeys(("male", "m", "mann", "maennlich", "männlich", "herr", "mr", "mr."), "male"),
    **dict.fromkeys(
        ("female", "f", "w", "frau", "weiblich", "mrs", "mrs.", "ms", "ms.", "miss"), "female"
    ),
}
_TAG_END: Final = re.compile(r"[,|]")


def find_zone(timezone: str | tzinfo) -> tzinfo:
    """Return the time zone of a name.

    Raises:
        ConfigurationError: There is no such zone.
    """
    if isinstance(timezone, tzinfo):
        return timezone
    try:
        return ZoneInfo(timezone)
    except (LookupError, ValueError, OSError):
        raise ConfigurationError(
            f"timezone is {timezone!r}; it takes an IANA name such as 'Europe/Berlin'"
        ) from None


def time_parser(zone: tzinfo) -> Callable[[str], int | Unset]:
    """Return a function from a cell to unix seconds; it raises ``ValueError``.

    Args:
        zone: Where clocks were read whose offset the cell does not tell. Of the hour that comes
            twice in autumn it is the first.
    """
    offset_all_day = lru_cache(_CACHED)(partial(_offset_all_day, zone))

    def parse(cell: str) -> int | Unset:
        text = cell.strip()
        moment = _usual(text)
        if moment is None:
            return _unusual_seconds(text, zone)
        passed = moment - _EPOCH
        days = passed.days
        offset = offset_all_day(days)
        if offset is None or days < 1:
            return unix_seconds(moment, zone)
        return days * _SECONDS_A_DAY + passed.seconds - offset

    parse_day = lru_cache(_CACHED)(parse)
    return lambda cell: parse_day(cell) if len(cell) <= _DAY else parse(cell)


def _unusual_seconds(text: str, zone: tzinfo) -> int | Unset:
    if not text:
        return UNSET
    if _UNIX.fullmatch(text):
        return int(text)
    if _NEVER.fullmatch(text):
        return 0
    # In two digits nobody signed up before 1970.
    return unix_seconds(_moment(text, first_two_digit_year=1970), zone)


def unix_seconds(moment: datetime, zone: tzinfo) -> int:
    """Return a moment in unix seconds.

    Args:
        moment: Aware, or naive on the zone's clocks.
        zone: Where the clocks of naive moments stood.

    Raises:
        ValueError: It lies before 1970, or where a clock cannot be told.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        seconds = int(aware.timestamp())
    except OverflowError:  # the first and the last day that Python knows, seen from afar
        raise ValueError("not a date") from None
    if seconds < 0 and moment.year < _EPOCH.year:
        raise ValueError("before 1970")
    # The first midnight of 1970, east of Greenwich, is an empty date in many shops.
    return max(seconds, 0)


def _offset_all_day(zone: tzinfo, days: int) -> int | None:
    """Return a day's offset from UTC in seconds, or ``None`` if clocks are changed on it.

    Asking the zone for every row takes as long as all the rest of the row.
    """
    midnight = (_EPOCH + timedelta(days=days)).replace(tzinfo=zone)
    first, last = midnight.utcoffset(), (midnight + timedelta(hours=24)).utcoffset()
    return None if first is None or first != last else int(first.total_seconds())


@lru_cache(_CACHED)
def date_attribute(cell: str) -> str:
    """Return the day in a cell as ``YYYY-MM-DD``, or an empty string for none.

    A year of two digits is read as spreadsheets do: 30 to 99 belong to the last century.

    Raises:
        ValueError: There is no such day.
    """
    text = cell.strip()
    moment = _usual(text)
    if moment is None:
        if not text or _NEVER.fullmatch(text):
            return ""
        moment = _moment(text, first_two_digit_year=1930)
    return moment.date().isoformat()


def _usual(text: str) -> datetime | None:
    """Read the two forms most files are made of, several times faster than by pattern."""
    if len(text) not in _USUAL_LENGTHS or text[10:11] not in _BEFORE_CLOCK:
        return None
    if text[2] == text[5] == ".":
        text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
    if not text[4] == text[7] == "-" or text[13:14] not in _AFTER_HOUR:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is None else None


def _moment(text: str, *, first_two_digit_year: int) -> datetime:
    """Read a written date; the result is naive where the text tells no offset."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError("not a date")
    day, month, year, iso_year, iso_month, iso_day, hour, minute, second, offset = found.groups()
    if iso_year:
        day, month, year = iso_day, iso_month, iso_year
    number = int(year)
    if len(year) < 4:  # noqa: PLR2004 - digits of a whole year
        number += (first_two_digit_year - number + 99) // 100 * 100
    clock = (int(hour or 0), int(minute or 0), int(second or 0))
    return datetime(number, int(month), int(day), *clock, tzinfo=_offset(offset))


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-distance if text[0] == "-" else distance)


def show_date(text: str) -> str:
    """Quote a date that is none for a message, unless it may be personal data."""
    shown = text.strip()
    return repr(shown) if _SHOWABLE.fullmatch(shown) else "the text in it"


def gender(cell: str) -> str:
    """Return ``male``, ``female``, or an empty string for what the API has no word for."""
    return _GENDERS.get(cell.strip().casefold(), "")


def tags(cell: str) -> list[str] | Unset:
    """Split a cell at commas and bars."""
    found = [tag for part in _TAG_END.split(cell) if (tag := part.strip())]
    return found or UNSET
