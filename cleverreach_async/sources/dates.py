"""Dates and times, as spreadsheets and databases write them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cache, lru_cache, partial
from numbers import Integral
from typing import Final
from zoneinfo import ZoneInfo

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.times import EARLIEST, LATEST, is_never
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.rows import BadValueError

__all__ = [
    "DayParser",
    "TimeParser",
    "bad_time",
    "day_of",
    "day_parser",
    "find_zone",
    "seconds_of_number",
    "time_parser",
    "unix_seconds",
]

TimeParser = Callable[[str], int | Unset]
"""From text to unix seconds, or ``UNSET`` for blank text; raises :class:`BadValueError`."""

DayParser = Callable[[str], str | Unset]
"""From text to ``YYYY-MM-DD``, or ``UNSET`` for blank text; raises :class:`BadValueError`."""

_DAYS_ACCEPTED: Final = "31.12.2025, 31.12.25 or 2025-12-31"
_TIMES_ACCEPTED: Final = (
    "31.12.2025, 31.12.2025 14:30:05, 2025-12-31, 2025-12-31T14:30:05+01:00 or unix seconds"
)

# Days repeat within a file and are cached; times to the second rarely do.
_CACHED: Final = 16384
_DAY: Final = len("31.12.2025")
_SECOND: Final = len("31.12.2025 14:30")
_COMMON_LENGTHS: Final = frozenset({_DAY, len("31.12.2025 14:30"), len("31.12.2025 14:30:05")})
_BEFORE_TIME: Final = frozenset({"", " ", "T"})
_AFTER_HOUR: Final = frozenset({"", ":"})

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local time of any zone
_SECONDS_A_DAY: Final = 86400

_DATE: Final = re.compile(
    r"(?:(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4}|\d\d)"
    r"|(?P<iso_year>\d{4})-(?P<iso_month>\d\d)-(?P<iso_day>\d\d))"
    r"(?:(?:,?[ ]+|T)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:[ ]?Uhr)?[ ]?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
# Fewer than nine digits are more likely a date without dots than a second of the seventies, more
# than ten are milliseconds.
_UNIX: Final = re.compile(r"0|\d{9,10}", re.ASCII)
_ZERO_DATE: Final = re.compile(r"(?:00\.00\.0000|0000-00-00)(?:[ T]00:00(?::00)?)?", re.ASCII)
_FIRST_OF_SPREADSHEETS: Final = 30
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2099
_LAST_DAY: Final = LATEST // _SECONDS_A_DAY - 1

# Text that may be meant as a date. A name or an address in the wrong column is not shown.
_SHOWABLE: Final = re.compile(r"(?=.*\d)[\w.:/+, -]{1,25}")


def find_zone(timezone: str | tzinfo) -> tzinfo:
    """Return the time zone with a name.

    Raises:
        ConfigurationError: There is no such zone.
    """
    if isinstance(timezone, tzinfo):
        return timezone
    try:
        return ZoneInfo(timezone)
    except (LookupError, ValueError, OSError, TypeError):
        raise ConfigurationError(
            f"timezone is {timezone!r}; it takes an IANA name such as 'Europe/Berlin'"
        ) from None


def time_parser(zone: tzinfo, today: date | None = None) -> TimeParser:
    """Return a function from text to unix seconds.

    Args:
        zone: Time zone of text without an offset. Of the hour that occurs twice in autumn the
            first is meant.
        today: The latest day that a year of two digits can mean; by default today.
    """
    latest = today or datetime.now(zone).date()
    offset_all_day = lru_cache(_CACHED)(partial(_offset_all_day, zone))
    midnights: dict[str, int] = {}
    minutes, seconds = _clock()

    def parse(text: str) -> int | Unset:
        text = text.strip()
        moment = _common_date(text)
        if moment is None:
            return _uncommon_seconds(text, zone, latest)
        since_epoch = moment - _EPOCH
        days = since_epoch.days
        offset = offset_all_day(days) if 1 <= days < _LAST_DAY else None
        if offset is None:
            return unix_seconds(moment, zone)
        if len(midnights) >= _CACHED:
            midnights.clear()
        midnight = midnights[text[:_DAY]] = days * _SECONDS_A_DAY - offset
        return midnight + since_epoch.seconds

    parse_cached = lru_cache(_CACHED)(parse)

    def parse_or_explain(text: str) -> int | Unset:
        if len(text) > _DAY:
            try:
                return (
                    midnights[text[:_DAY]] + minutes[text[_DAY:_SECOND]] + seconds[text[_SECOND:]]
                )
            except KeyError:
                pass  # the first time of a day, or one in another form
        try:
            return parse_cached(text) if len(text) <= _DAY else parse(text)
        except ValueError as error:
            raise bad_time(_shown(text), error) from None

    return parse_or_explain


@cache
def _clock() -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Return the seconds of every hour with its minutes, such as ``T14:30``, and of ``:05``."""
    minutes = {
        f"{sign}{hour:02}:{minute:02}": hour * 3600 + minute * 60
        for sign in _BEFORE_TIME
        for hour in range(24)
        for minute in range(60)
        if sign
    }
    return minutes, {"": 0, **{f":{second:02}": second for second in range(60)}}


def bad_time(shown: str, reason: object) -> BadValueError:
    """Return the error for a value that is not a time.

    Args:
        shown: What the message calls the value.
        reason: Why it is not a time.
    """
    return BadValueError("invalid_date", f"{shown}: {reason}; it takes {_TIMES_ACCEPTED}")


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text) if _SHOWABLE.fullmatch(text) else "the text in it"


def _uncommon_seconds(text: str, zone: tzinfo, today: date) -> int | Unset:
    if not text:
        return UNSET
    if is_never(text):
        return 0
    if _UNIX.fullmatch(text):
        return seconds_of_number(int(text))
    return unix_seconds(_parse(text, today), zone)


def seconds_of_number(value: Integral | float | Decimal) -> int:
    """Return a number as unix seconds.

    Raises:
        ValueError: It is more likely a date without dots, a day of a spreadsheet, or milliseconds.
    """
    if value != 0 and not EARLIEST <= value <= LATEST:  # type: ignore[operator]
        raise ValueError("not a date")
    return int(value)


def unix_seconds(moment: datetime, zone: tzinfo) -> int:
    """Return a moment in unix seconds.

    Args:
        moment: Aware, or naive in local time.
        zone: Time zone of naive moments.

    Raises:
        ValueError: It is not between 1970 and 2099, or cannot be converted.
    """
    if moment.year > _LAST_YEAR:
        raise ValueError(f"after {_LAST_YEAR}")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        seconds = int(aware.timestamp())
    except OverflowError:  # the first and the last day that Python supports
        raise ValueError("not a date") from None
    if seconds < 0 and moment.year < _EPOCH.year:
        raise ValueError("before 1970")
    # Many shops store the first midnight of 1970 for an empty date. East of Greenwich that is a
    # negative number.
    return max(seconds, 0)


def _offset_all_day(zone: tzinfo, days: int) -> int | None:
    """Return a day's offset from UTC in seconds, or ``None`` if it changes during the day.

    Calling the zone for every row takes as long as the rest of the row.
    """
    midnight = (_EPOCH + timedelta(days=days)).replace(tzinfo=zone)
    try:
        first, last = midnight.utcoffset(), (midnight + timedelta(hours=24)).utcoffset()
    except OverflowError:
        return None
    return None if first is None or first != last else int(first.total_seconds())


def day_parser(zone: tzinfo, *, is_past: bool = False, today: date | None = None) -> DayParser:
    """Return a function from text to ``YYYY-MM-DD``.

    Args:
        zone: The day of a time with an offset is the one in this zone: a birthday is stored as
            midnight where it was entered.
        is_past: Whether the days are past, such as birthdays. Then a year of two digits is the
            latest that is not in the future; otherwise it is one from 1930 to 2029, as in
            spreadsheets.
        today: By default today.
    """
    latest = (today or datetime.now(zone).date()) if is_past else None

    @lru_cache(_CACHED)
    def parse(text: str) -> str | Unset:
        stripped = text.strip()
        if not stripped or _ZERO_DATE.fullmatch(stripped):
            return UNSET
        try:
            moment = _common_date(stripped) or _parse(stripped, latest)
            return day_of(moment, zone, latest)
        except ValueError as error:
            message = f"{_shown(stripped)}: {error}; it takes {_DAYS_ACCEPTED}"
            raise BadValueError("invalid_date", message) from None

    return parse


def day_of(value: date, zone: tzinfo, latest: date | None = None) -> str:
    """Return a day as ``YYYY-MM-DD``.

    Args:
        value: A day, or a moment, whose day is the one in the zone.
        zone: The zone.
        latest: The latest plausible day.

    Raises:
        ValueError: The year is not plausible.
    """
    if isinstance(value, datetime):
        if value.tzinfo is not None and _FIRST_YEAR < value.year < _LAST_YEAR:
            value = value.astimezone(zone)
        value = value.date()
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"not between {_FIRST_YEAR} and {_LAST_YEAR}")
    if latest is not None and value > latest:
        raise ValueError("in the future")
    return value.isoformat()


def _common_date(text: str) -> datetime | None:
    """Parse the two most common formats, several times faster than by regular expression."""
    if len(text) not in _COMMON_LENGTHS or text[10:11] not in _BEFORE_TIME:
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


def _parse(text: str, latest: date | None) -> datetime:
    """Parse a date by regular expression; without an offset the result is naive.

    Args:
        text: The date.
        latest: The latest day that a year of two digits can mean; ``None`` for a year from 1930
            to 2029.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("not a date")
    day, month, year, iso_year, iso_month, iso_day, hour, minute, second, offset = found.groups()
    if iso_year:
        day, month, year = iso_day, iso_month, iso_year
    number = int(year)
    if len(year) < 4:  # noqa: PLR2004 - digits of a full year
        number = _full_year(number, int(month), int(day), latest)
    clock = (int(hour or 0), int(minute or 0), int(second or 0))
    return datetime(number, int(month), int(day), *clock, tzinfo=_offset(offset))


def _full_year(year: int, month: int, day: int, latest: date | None) -> int:
    if latest is None:
        return 1900 + year if year >= _FIRST_OF_SPREADSHEETS else 2000 + year
    number = latest.year // 100 * 100 + year
    is_later = (number, month, day) > (latest.year, latest.month, latest.day)
    return number - 100 if is_later else number


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-distance if text[0] == "-" else distance)
