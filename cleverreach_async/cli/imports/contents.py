"""What a file holds: its mapping as it is shown, and the attributes that its rows have."""

from collections.abc import Mapping, Sequence

import attrs

from cleverreach_async.bulk.attributes import AttributeSurvey, Definitions
from cleverreach_async.cli.output import Output, plain
from cleverreach_async.resources.base import UNSET
from cleverreach_async.sources import ColumnMapping, ParquetSource, RowFile
from cleverreach_async.sources.columns import GROUP_PREFIX, TIME_TARGETS
from cleverreach_async.sources.rows import SourceRow

__all__ = ["Contents", "show", "show_attributes", "survey"]


@attrs.define
class Contents:
    """What the rows of a file have.

    Attributes:
        attributes: Attributes, with the type that their values have.
        times: The column of each time that rows tell of a receiver, by field: ``registered``,
            ``activated``, ``deactivated``.
        misspelt: Attributes whose name is not in lower case, as it is spelled.
    """

    attributes: Definitions
    times: Mapping[str, str] = attrs.field(factory=dict[str, str])
    misspelt: Sequence[str] = ()


def survey(source: RowFile) -> Contents:
    """Return what the rows have: from the header, or for JSON Lines by reading them once."""
    mapping = source.mapping
    if mapping is None:
        return _survey_rows(source)
    return Contents(
        Definitions(mapping.global_attributes, mapping.group_attributes),
        times={target: column for column, target in mapping.pairs if target in TIME_TARGETS},
    )


def _survey_rows(source: RowFile) -> Contents:
    attributes = AttributeSurvey()
    times: set[str] = set()
    misspelt: dict[str, None] = {}
    for row in source:
        if isinstance(row, SourceRow):
            receiver = row.receiver
            attributes.add(receiver)
            times |= {name for name in TIME_TARGETS if getattr(receiver, name) is not UNSET}
            names = (*(receiver.global_attributes or ()), *(receiver.attributes or ()))
            misspelt |= {name: None for name in names if name != name.lower()}
    in_order = [name for name in TIME_TARGETS if name in times]
    return Contents(
        attributes.definitions, times={name: name for name in in_order}, misspelt=tuple(misspelt)
    )


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


def show_attributes(output: Output, source: RowFile, contents: Contents) -> None:
    """Print the attributes of a file without columns, which :func:`show` cannot know."""
    if source.mapping is not None:
        return
    kinds = [*contents.attributes.account.values(), *contents.attributes.group.values()]
    found = [
        f"{name} ({kind})" for name, kind in zip(contents.attributes.labels, kinds, strict=True)
    ]
    if found:
        output.note(plain(f"  attributes: {', '.join(found)}"))
    if contents.misspelt:
        output.warn(
            plain(
                f"attributes have names in lower case, and the server may drop values of"
                f" {', '.join(contents.misspelt)} without a word"
            )
        )


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
