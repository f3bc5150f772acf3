"""What a file holds: its mapping as it is shown, and the attributes that its rows have."""

from collections.abc import Mapping, Sequence

import attrs

from cleverreach_async.bulk.rows import SourceRow
from cleverreach_async.bulk.sources import ColumnMapping, ParquetSource, RowFile
from cleverreach_async.bulk.sources.columns import GROUP_PREFIX
from cleverreach_async.cli.output import Output, plain
from cleverreach_async.cli.target import Definitions
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import UNSET, Unset

__all__ = ["Contents", "parse_map", "show", "survey"]


@attrs.define
class Contents:
    """What the rows of a file have.

    Attributes:
        attributes: Attributes, with the type that their values have.
        has_registered: Whether rows tell when a receiver signed up.
        has_activated: Whether rows tell when a receiver confirmed.
    """

    attributes: Definitions
    has_registered: bool = False
    has_activated: bool = False


def parse_map(words: Sequence[str]) -> dict[str, str]:
    """Read the values of ``--map``; a column's name may hold an equals sign.

    Raises:
        ConfigurationError: A word is no pair, or names a column again.
    """
    columns: dict[str, str] = {}
    for word in words:
        column, equals, target = word.rpartition("=")
        if not equals or not column.strip():
            raise ConfigurationError(f"--map takes COLUMN=TARGET, not {word!r}")
        if column in columns:
            raise ConfigurationError(f"--map names the column {column!r} twice")
        columns[column] = target
    return columns


def survey(source: RowFile) -> Contents:
    """Return what the rows have: from the header, or for JSON Lines by reading them once."""
    mapping = source.mapping
    if mapping is None:
        return _survey_rows(source)
    targets = {target for _, target in mapping.pairs}
    return Contents(
        Definitions(mapping.global_attributes, mapping.group_attributes),
        has_registered="registered" in targets,
        has_activated="activated" in targets,
    )


def _survey_rows(source: RowFile) -> Contents:
    account: dict[str, str] = {}
    group: dict[str, str] = {}
    contents = Contents(Definitions(account, group))
    for row in source:
        if isinstance(row, SourceRow):
            receiver = row.receiver
            _add_types(account, receiver.global_attributes)
            _add_types(group, receiver.attributes)
            contents.has_registered |= receiver.registered is not UNSET
            contents.has_activated |= receiver.activated is not UNSET
    return contents


def _add_types(types: dict[str, str], values: Mapping[str, object] | Unset) -> None:
    """Note a type for each value: numbers make a number only as long as nothing else comes."""
    if not values:
        return
    for name, value in values.items():
        kind = "number" if isinstance(value, int | float) else "text"
        key = name.lower()
        if types.get(key) != "text":
            types[key] = kind


def show(output: Output, source: RowFile) -> None:
    """Print how a file is read and what column goes where."""
    output.note(plain(f"{source.path}: {_format(source)}"))
    mapping = source.mapping
    if mapping is None:
        return
    width = max(len(column) for column, _ in mapping.pairs)
    for column, target in mapping.pairs:
        output.note(plain(f"  {column:{width}}  ->  {_explained(target, mapping)}"))
    if mapping.left_out:
        output.note(plain(f"  left out: {', '.join(mapping.left_out)}"))


def _format(source: RowFile) -> str:
    if isinstance(source, ParquetSource):
        return f"Parquet, {source.size:,} bytes"
    if source.mapping is None:
        return f"JSON Lines, {source.size:,} bytes"
    delimiter = {"\t": "tabs", " ": "blanks"}.get(source.delimiter or "", f"'{source.delimiter}'")
    return f"{source.encoding}, {delimiter} between cells, {source.size:,} bytes"


def _explained(target: str, mapping: ColumnMapping) -> str:
    if target in mapping.global_attributes:
        return f"{target} ({mapping.global_attributes[target]})"
    name = target.removeprefix(GROUP_PREFIX)
    if name != target:
        return f"{target} ({mapping.group_attributes[name]})"
    return target
