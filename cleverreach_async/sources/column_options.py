"""How columns become receivers, as the caller chooses: the same for every source with columns."""

from collections.abc import Collection, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, Protocol, TypedDict, cast, runtime_checkable

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.attributes import AttributeType
from cleverreach_async.sources.columns import GROUP_PREFIX, ColumnMapping, map_columns, own_type
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.row_reader import row_reader
from cleverreach_async.sources.row_repair import ReadRow
from cleverreach_async.sources.threads import ThreadedRows

__all__ = ["ColumnOptions", "ColumnParameters", "TakesTypes", "columns_of"]

_ZONE: Final[Any] = "Europe/Berlin"
_KNOWN_TYPES: Final = frozenset({"text", "number", "gender", "date"})


class ColumnParameters(TypedDict, total=False):
    """Parameters of every source with columns.

    Attributes:
        mapping: Target by column, overrides recognised headers: ``email``, ``registered``,
            ``activated``, ``deactivated``, ``subscribed``, ``unsubscribed``, ``source``, ``tags``,
            the name of a global attribute, or ``attributes.NAME`` for one of the group; empty or
            ``-`` leaves the column out.
        timezone: Time zone of times without an offset; ``Europe/Berlin`` by default.
        date_attributes: Attributes that hold a day, named as in a mapping; they are sent as
            ``YYYY-MM-DD``.
        check_consent: Whether a column or a file name that looks like consent stops the import, if
            nothing says what it means; the default.
        strict: Whether any value that cannot be used rejects its row. By default only address,
            consent and times do; the value of an attribute is left out and counted.
    """

    mapping: Mapping[str, str] | None
    timezone: str | tzinfo
    date_attributes: Collection[str]
    check_consent: bool
    strict: bool


def _check_mapping(options: object, attribute: object, mapping: Any) -> None:
    del options, attribute
    accepted = 'it takes a target by column, such as {"Ort": "city"}, or "-" to leave a column out'
    if not isinstance(mapping, Mapping | None):
        raise ConfigurationError(f"mapping is of type {type(mapping).__name__}; {accepted}")
    for column, target in cast("Mapping[object, object]", mapping or {}).items():
        if not (isinstance(column, str) and isinstance(target, str)):
            raise ConfigurationError(f"mapping has {column!r}: {target!r}; {accepted}")


def _check_names(options: object, attribute: object, names: Any) -> None:
    # Of a text its letters would be the names.
    del options, attribute
    is_listed = isinstance(names, Collection) and not isinstance(names, str | bytes)
    if not is_listed or not all(isinstance(name, str) for name in cast("Collection[Any]", names)):
        raise ConfigurationError(
            f"date_attributes is {names!r}; it takes a list of attributes, such as ['joined']"
        )


@attrs.frozen(kw_only=True)
class ColumnOptions:
    """The parameters with their defaults, and what the account says of its attributes."""

    mapping: Mapping[str, str] | None = attrs.field(default=None, validator=_check_mapping)
    zone: tzinfo = attrs.field(default=_ZONE, converter=find_zone, alias="timezone")
    date_attributes: Collection[str] = attrs.field(default=frozenset[str](), validator=_check_names)
    check_consent: bool = True
    strict: bool = False
    types: Mapping[str, str] = attrs.field(factory=dict[str, str])
    relative: bool = False

    def map(self, headers: Sequence[Any], path: str) -> ColumnMapping:
        """Decide the target of each column.

        Args:
            headers: The columns.
            path: The file, or what the error calls the source.

        Raises:
            ConfigurationError: The options do not fit the columns, or nothing says what a column
                that looks like consent means.
            SourceError: The columns cannot become receivers.
        """
        found = map_columns(
            headers,
            self.mapping,
            date_attributes=self.date_attributes,
            path=path,
            check_consent=self.check_consent,
        )
        return self.with_types(found)

    def with_types(self, mapping: ColumnMapping) -> ColumnMapping:
        """Return a mapping with the types that the attributes have in the account."""
        types = {
            target: cast("AttributeType", self.types[target])
            for target, own in mapping.types.items()
            if _decides(self.types.get(target), own)
        }
        return attrs.evolve(
            mapping, types={**mapping.types, **types}, relative=self.relative or mapping.relative
        )

    def changed_types(self) -> Mapping[str, str]:
        """Return the types of the account that differ from those that columns have by themselves.

        For the identity of a source whose columns are not known yet: an attribute that an import
        has created has the type of its column.
        """
        return {
            target: kind
            for target, kind in sorted(self.types.items())
            if kind != "text" and kind != own_type(target, self.date_attributes)
        }

    def has_group_attributes(self, mapping: ColumnMapping | None) -> bool:
        """Whether a column holds an attribute of the group, as far as that is known.

        Args:
            mapping: Target of each column; ``None`` before the first row.
        """
        if mapping is not None:
            return bool(mapping.group_attributes)
        targets = (self.mapping or {}).values()
        return any(target.strip().lower().startswith(GROUP_PREFIX) for target in targets)

    def identity(self, mapping: ColumnMapping) -> Mapping[str, Any]:
        """Return how columns become receivers, for the identity of a source."""
        return {**mapping.identity(), "strict": self.strict}

    def reader(self, mapping: ColumnMapping, *, only_text: bool = False) -> ReadRow:
        """Return the function from values to a row.

        Args:
            mapping: Target of each column.
            only_text: Whether all values are strings.
        """
        return row_reader(mapping, self.zone, only_text=only_text, strict=self.strict)


def _decides(kind: str | None, own: AttributeType) -> bool:
    """Whether the type in the account, not that of the mapping, decides what is sent.

    Text takes days and genders too, but not numbers: there a sign has no meaning.
    """
    return kind in _KNOWN_TYPES and (kind != "text" or own == "number")


@runtime_checkable
class TakesTypes(Protocol):
    """A source whose values depend on the types of the account's attributes.

    Attributes:
        mapping: Target of each column; ``None`` before the first row.
    """

    mapping: ColumnMapping | None

    @property
    def has_group_attributes(self) -> bool:
        """Whether a column holds an attribute of the group."""
        ...

    def take_types(self, types: Mapping[str, str], *, relative: bool) -> None:
        """Convert the values of the next loops to the types that the attributes have.

        Args:
            types: Type by attribute, named as in a mapping.
            relative: Whether values of number attributes may have a sign, so that the server adds
                them to the stored ones.
        """
        ...


def columns_of(source: object) -> TakesTypes | None:
    """Return the source whose columns become the rows, which may be read in a thread."""
    while isinstance(source, ThreadedRows):
        source = cast("ThreadedRows[object]", source).source
    return source if isinstance(source, TakesTypes) else None
