"""Asks the account for its attributes when rows need them, and creates missing ones."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.attributes.known import AttributesNeededError, KnownAttributes
from cleverreach_async.bulk.attributes.plan import missing_attributes, plan_attributes, types_of
from cleverreach_async.bulk.attributes.survey import survey_of
from cleverreach_async.errors import ConfigurationError, NotFoundError, PermissionDeniedError
from cleverreach_async.resources.attributes import Attribute, Attributes
from cleverreach_async.sources.column_options import TakesTypes
from cleverreach_async.sources.rows import Item

__all__ = ["AccountAttributes", "AttributeMode"]

AttributeMode = Literal["check", "create", "ignore"]

_REMEDY: Final = (
    'Create them (attributes="create", or --create-attributes), leave the columns or fields out, or'
    ' pass attributes="ignore" to lose the values'
)


@attrs.define(kw_only=True, eq=False)
class AccountAttributes:
    """The attributes of an account and a group, for one import.

    Attributes:
        attributes: The calls.
        group_id: The group.
        creates: Whether missing attributes are created.
        relative: Whether numbers of columns may have a sign, so that the server adds them.
        has_columns: Whether all rows come from columns, so that their values fit the types.
        known: What is known so far.
    """

    attributes: Attributes
    group_id: int
    creates: bool
    relative: bool
    has_columns: bool = False
    known: KnownAttributes = attrs.field(factory=KnownAttributes)

    async def adapt(self, source: TakesTypes) -> None:
        """Check the columns of a source, and let it convert values to the types of the account.

        Args:
            source: The source. If its columns are known when its first row is read, call this again
                then.

        Raises:
            ConfigurationError: An attribute does not exist, or cannot be created.
            CleverReachError: A call failed.
        """
        mapping = source.mapping
        if mapping is not None and not mapping.types:
            return
        await self._fetch(of_group=source.has_group_attributes)
        if mapping is not None:
            wanted = Definitions(mapping.global_attributes, mapping.group_attributes)
            missing = wanted.without(self.known.definitions)
            if missing.labels:
                await self._create(wanted, missing)
        source.take_types(self.known.definitions.by_target, relative=self.relative)

    async def provide(self, needed: AttributesNeededError, items: Iterable[Item]) -> None:
        """Ask for what a row needs, or create it.

        Args:
            needed: What the row needs.
            items: The rows at hand, whose values decide about the types of new attributes.

        Raises:
            ConfigurationError: An attribute does not exist, or cannot be created.
            CleverReachError: A call failed.
        """
        if not needed.unknown.labels:
            await self._fetch(of_group=needed.of_group)
            return
        missing = needed.unknown.without(Definitions())
        wanted = missing.including(survey_of(items)) if self.creates else missing
        await self._create(wanted, needed.unknown)

    async def _fetch(self, *, of_group: bool) -> None:
        known, converted = self.known, self.has_columns
        try:
            if not known.has_account:
                known.learn(account=types_of(await self.attributes.list()), converted=converted)
            if of_group and not known.has_group:
                known.learn(group=types_of(await self._list_of_group()), converted=converted)
        except PermissionDeniedError as error:
            error.add_note(
                "The attributes of the account could not be read, so it is unknown which values the"
                ' server would drop. Allow the token to read them, or pass attributes="ignore"'
            )
            raise

    async def _list_of_group(self) -> Sequence[Attribute]:
        try:
            return await self.attributes.list(group_id=self.group_id)
        except NotFoundError as error:
            raise ConfigurationError(f"the account has no group {self.group_id}") from error

    async def _create(self, wanted: Definitions, missing: Definitions) -> None:
        if not self.creates:
            present = self.known.definitions
            raise ConfigurationError(missing_attributes(missing, present, _REMEDY))
        plan = await plan_attributes(self.attributes, wanted, group_id=self.group_id, create=True)
        done = await plan.carry_out(self.attributes, group_id=self.group_id)
        all_known = done.present.including(done.created)
        self.known.learn(
            account=all_known.account, group=all_known.group, converted=self.has_columns
        )
