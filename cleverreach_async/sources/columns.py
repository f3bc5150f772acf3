"""Mapping of columns to targets: recognised headers, and the caller's mapping."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.resources.attributes import RESERVED_NAMES, AttributeType
from cleverreach_async.sources.consent import CONSENT_TARGETS
from cleverreach_async.sources.consent_check import check_columns, check_file_name
from cleverreach_async.sources.consent_headers import KnownHeader, known_headers

__all__ = [
    "ACCOUNT_PREFIX",
    "GROUP_PREFIX",
    "TIME_TARGETS",
    "ColumnMapping",
    "map_columns",
    "own_type",
]

TIME_TARGETS: Final = ("registered", "activated", "deactivated")
FIELD_TARGETS: Final = ("email", *TIME_TARGETS, *CONSENT_TARGETS, "source", "tags")
STRICT_TARGETS: Final = frozenset({"email", *TIME_TARGETS, *CONSENT_TARGETS})
"""Targets whose values are never left out: a row with one that cannot be used is bad."""
GROUP_PREFIX: Final = "attributes."
ACCOUNT_PREFIX: Final = "global_attributes."
"""Before the names of attributes in the columns of an export."""
LEAVE_OUT: Final = frozenset({"", "-"})

_NAME: Final = re.compile(r"\w+")

# A target takes one column, but a second one may say that somebody has not confirmed, or has left.
_SECOND_TARGETS: Final = {"activated": "subscribed", "deactivated": "unsubscribed"}

# Recognised headers are never numbers, not even that of a customer number.
_TYPES: Final[Mapping[str, AttributeType]] = {"gender": "gender", "birthday": "date"}


@attrs.frozen
class ColumnMapping:
    """Target of each column of a source.

    A target is a receiver field, the name of a global attribute, ``attributes.NAME`` for an
    attribute of the group, or one of ``CONSENT_TARGETS``, which several columns may have.

    Attributes:
        headers: All columns, in the source's order.
        pairs: Column and target of those that are used, in the source's order.
        types: Type of each attribute with a column, by target.
        words: Words of a recognised consent column that mean something only there, by column: a
            folded word and what :func:`read_word` returns for it.
        relative: Whether values of number attributes may have a sign, so that the server adds them.
    """

    headers: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    types: Mapping[str, AttributeType]
    words: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict[str, Mapping[str, str]])
    relative: bool = False

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns without a target."""
        used = dict(self.pairs)
        return tuple(name for name in self.headers if name not in used)

    @property
    def global_attributes(self) -> dict[str, AttributeType]:
        """Type of each global attribute with a column, by name."""
        return {name: it for name, it in self.types.items() if not name.startswith(GROUP_PREFIX)}

    @property
    def group_attributes(self) -> dict[str, AttributeType]:
        """Type of each attribute of the group with a column, by name."""
        return {
            target.removeprefix(GROUP_PREFIX): it
            for target, it in self.types.items()
            if target.startswith(GROUP_PREFIX)
        }

    def identity(self) -> Mapping[str, Any]:
        """Return how columns become receivers, for the identity of a source."""
        return {
            "columns": dict(self.pairs),
            "types": {name: kind for name, kind in self.types.items() if kind != "text"},
            "relative": self.relative,
        }


def map_columns(
    headers: Sequence[str],
    mapping: Mapping[str, str] | None = None,
    *,
    date_attributes: Collection[str] = frozenset(),
    path: str = "",
    check_consent: bool = True,
) -> ColumnMapping:
    """Decide the target of each column.

    Args:
        headers: The columns.
        mapping: Target by column, overrides recognised headers; an empty target or ``-`` leaves
            the column out.
        date_attributes: Attributes that hold a day, named as in a mapping.
        path: The file, or what the error calls the source.
        check_consent: Whether a column that looks like consent must have a target, or be left out
            by name.

    Raises:
        ConfigurationError: A column or target does not exist, a target is mapped twice, or nothing
            says what a column that looks like consent means.
        SourceError: A name is not text or occurs twice, or no column holds the e-mail address, or
            two may.
    """
    _check_names(headers, path)
    chosen = _chosen(headers, mapping or {})
    chosen = {**_exported(headers, chosen), **chosen}
    known = known_headers(headers)
    targets = {**_recognised(known, chosen, path), **chosen}
    pairs = tuple((name, target) for name in headers if (target := targets.get(name, "")))
    if "email" not in targets.values():
        raise SourceError(_no_email(headers), path=path)
    if check_consent:
        undecided = [name for name in headers if name not in targets]
        check_columns(undecided, targets.values())
        check_file_name(path, targets.values())
    attributes = (target for _, target in pairs if target not in FIELD_TARGETS)
    return ColumnMapping(
        tuple(headers),
        pairs,
        {name: own_type(name, date_attributes) for name in attributes},
        _special_words(known, pairs),
    )


def _check_names(names: Sequence[Any], path: str) -> None:
    for name, count in Counter(names).items():
        if not isinstance(name, str):
            raise SourceError(
                f"a column name is of type {type(name).__name__}; it must be text",
                path=path,
            )
        if count > 1:
            raise SourceError(
                f"two columns are named {name!r}; give one of them another name", path=path
            )


def _special_words(
    known: Mapping[str, KnownHeader], pairs: Sequence[tuple[str, str]]
) -> Mapping[str, Mapping[str, str]]:
    columns = (name for name, target in pairs if target in CONSENT_TARGETS and name in known)
    return {name: words for name in columns if (words := known[name].words)}


def own_type(target: str, date_attributes: Collection[str]) -> AttributeType:
    """Return the type of an attribute where the account does not decide it.

    Args:
        target: The attribute, named as in a mapping.
        date_attributes: Attributes that hold a day, named as in a mapping.
    """
    if target in {name.strip().lower() for name in date_attributes}:
        return "date"
    return _TYPES.get(target.removeprefix(GROUP_PREFIX), "text")


def _chosen(headers: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Check the caller's mapping; a column to be left out has an empty target."""
    chosen: dict[str, str] = {}
    for wanted, goal in mapping.items():
        column = _column(wanted, headers)
        target = _target(goal, headers)
        if column in chosen:
            raise ConfigurationError(f"column {column!r} is mapped twice")
        if target in chosen.values() and target and target not in CONSENT_TARGETS:
            raise ConfigurationError(
                f"two columns are mapped to {target!r}; a target takes one column"
            )
        chosen[column] = target
    return chosen


def _exported(headers: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the targets of columns that are named as in an export, with a prefix."""
    targets = {name: _exported_target(name) for name in headers if name not in chosen}
    taken = {*chosen.values()}
    return {name: it for name, it in targets.items() if it and it not in taken}


def _exported_target(header: str) -> str:
    """Return the target; empty for a column that is not named so."""
    name = header.removeprefix(ACCOUNT_PREFIX)
    prefix = ""
    if name == header:
        name, prefix = header.removeprefix(GROUP_PREFIX), GROUP_PREFIX
    is_exported = name != header and _NAME.fullmatch(name) is not None and name == name.lower()
    is_free = name not in RESERVED_NAMES and (
        bool(prefix) or name not in {*FIELD_TARGETS, "orders"}
    )
    return f"{prefix}{name}" if is_exported and is_free else ""


def _column(wanted: str, headers: Sequence[str]) -> str:
    if wanted in headers:
        return wanted
    folded = wanted.strip().casefold()
    found = [name for name in headers if name.casefold() == folded]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"{wanted!r} may mean any of the columns {_list(found)}")
    close = difflib.get_close_matches(wanted, headers, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigurationError(f"no column {wanted!r}.{hint} The columns: {_list(headers)}")


def _target(goal: str, headers: Sequence[str]) -> str:
    """Check a target and return it in lower case, as attributes are stored."""
    target = goal.strip().lower()
    if target in LEAVE_OUT:
        return ""
    name = target.removeprefix(GROUP_PREFIX)
    is_field = target in FIELD_TARGETS
    if is_field or (_NAME.fullmatch(name) and name not in RESERVED_NAMES and target != "orders"):
        return target
    raise ConfigurationError(
        f"unknown target {goal!r}. A column takes one of {', '.join(FIELD_TARGETS)}, the name of a"
        " global attribute (letters, digits and _), attributes.NAME for one of the group, or - to"
        f" be left out. The columns: {_list(headers)}"
    )


def _recognised(
    known: Mapping[str, KnownHeader], chosen: Mapping[str, str], path: str
) -> dict[str, str]:
    """Return the targets of recognised headers that the caller's mapping does not decide."""
    free = {name: header for name, header in known.items() if name not in chosen}
    taken = {target for target in chosen.values() if target not in CONSENT_TARGETS}
    if "email" not in taken:
        _refuse_two_addresses([name for name, it in free.items() if it.target == "email"], path)
    found: dict[str, str] = {}
    for name, header in sorted(free.items(), key=lambda item: item[1].rank):
        target = header.target
        if target in taken:
            target = _SECOND_TARGETS.get(target, "")
        elif target not in CONSENT_TARGETS:
            taken.add(target)
        found[name] = target
    return found


def _refuse_two_addresses(names: Sequence[str], path: str) -> None:
    if len(names) > 1:
        # The wrong one would send mail to people who gave their address for another purpose.
        raise SourceError(
            f"each of the columns {_list(names)} may hold the e-mail address; name the right"
            ' one with --map COLUMN=email or mapping={"COLUMN": "email"}',
            path=path,
        )


def _no_email(headers: Sequence[str]) -> str:
    if any("@" in name for name in headers):
        # The names are not shown, since they are personal data.
        return "the first line looks like a row; the first line of a file must name the columns"
    return (
        f"no column is recognised as the e-mail address. The columns: {_list(headers)}; name it"
        ' with --map COLUMN=email or mapping={"COLUMN": "email"}'
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
