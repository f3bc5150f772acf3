"""Contents of a file: its columns and their targets, and the attributes of its rows."""

from collections.abc import Mapping, Sequence

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.attributes.survey import AttributeSurvey
from cleverreach_async.cli.output import Output
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.sources import (
    ColumnMapping,
    ExcelSource,
    JsonListSource,
    ParquetSource,
    RowFile,
)
from cleverreach_async.sources.columns import GROUP_PREFIX, TIME_TARGETS
from cleverreach_async.sources.consent import CONSENT_TARGETS
from cleverreach_async.sources.rows import SourceRow

__all__ = ["Contents", "show_attributes", "show_mapping", "survey"]


@attrs.define
class Contents:
    """What the rows of a file contain.

    Attributes:
        attributes: Attributes, with the types of their values.
        times: The column of each time in the rows, by field: ``registered``, ``activated``,
            ``deactivated``.
        consent: The columns that say whether people are subscribed.
        has_columns: Whether every row has the same columns.
    """

    attributes: Definitions
    times: Mapping[str, str] = attrs.field(factory=dict[str, str])
    consent: Sequence[str] = ()
    has_columns: bool = False


def survey(source: RowFile) -> Contents:
    """Return what the rows contain: from the header, or, for JSON, by reading them."""
    mapping = source.mapping
    if mapping is None:
        return _survey_rows(source)
    return Contents(
        Definitions(mapping.global_attributes, mapping.group_attributes),
        times={target: column for column, target in mapping.pairs if target in TIME_TARGETS},
        consent=[column for column, target in mapping.pairs if target in CONSENT_TARGETS],
        has_columns=True,
    )


def _survey_rows(source: RowFile) -> Contents:
    attributes = AttributeSurvey()
    times: set[str] = set()
    for row in source:
        if isinstance(row, SourceRow):
            receiver = row.receiver
            attributes.add(receiver)
            times |= {name for name in TIME_TARGETS if getattr(receiver, name) is not UNSET}
    return Contents(
        attributes.definitions,
        times={name: name for name in TIME_TARGETS if name in times},
    )


def show_mapping(output: Output, source: RowFile) -> None:
    """Print the format of a file, and the target of each column."""
    output.info(f"{source.path}: {_format(source)}")
    mapping = source.mapping
    if mapping is None:
        return
    width = max(len(column) for column, _ in mapping.pairs)
    for column, target in mapping.pairs:
        output.info(f"  {column:{width}}  ->  {_with_type(target, mapping)}")
    if mapping.left_out:
        output.info(f"  left out: {', '.join(mapping.left_out)}")


def show_attributes(output: Output, source: RowFile, contents: Contents) -> None:
    """Print the attributes of a file without columns, which :func:`show_mapping` cannot know."""
    if source.mapping is not None:
        return
    attributes = contents.attributes
    types = [*attributes.account.values(), *attributes.group.values()]
    found = [f"{name} ({kind})" for name, kind in zip(attributes.labels, types, strict=True)]
    if found:
        output.info(f"  attributes: {', '.join(found)}")


def _format(source: RowFile) -> str:
    if isinstance(source, ParquetSource):
        return f"Parquet, {source.size:,} bytes"
    if isinstance(source, ExcelSource):
        return f"Excel, sheet {source.sheet!r}, {source.size:,} bytes"
    if source.mapping is None:
        kind = "JSON list" if isinstance(source, JsonListSource) else "JSON Lines"
        return f"{kind}, {source.size:,} bytes"
    separator = {"\t": "tab", " ": "space"}.get(source.delimiter or "", f"'{source.delimiter}'")
    return f"{source.encoding}, column separator {separator}, {source.size:,} bytes"


def _with_type(target: str, mapping: ColumnMapping) -> str:
    types = {
        **mapping.global_attributes,
        **{f"{GROUP_PREFIX}{name}": kind for name, kind in mapping.group_attributes.items()},
    }
    return f"{target} ({types[target]})" if target in types else target
