"""``cleverreach import --dry-run --check-account``: what a run would find and create there.

Only GET requests are sent, apart from that for the token.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.attributes.known import KnownAttributes
from cleverreach_async.bulk.attributes.plan import Plan, plan_attributes
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.cli.failures import explain
from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.cli.imports.destination import check_missing, converted_to, find_group
from cleverreach_async.cli.imports.opt_in import look_up_form
from cleverreach_async.cli.imports.receivers_in_common import ReceiversInCommon
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.forms import Form
from cleverreach_async.resources.groups import Group

__all__ = ["AccountCheck"]

_NOT_COUNTED: Final = "in the group already: not counted, both are large; see cleverreach verify"


@attrs.define
class AccountCheck:
    """What a dry run has found in the account.

    Attributes:
        name: The group as the command line has it.
        group: The group; ``None`` if it does not exist.
        total: How many receivers the group has, as the server counted them last.
        existing: How many receivers of the file are among them; ``None`` if nobody knows.
        attributes: The attributes of the rows that exist, and those that do not.
        created: Names of the attributes that a run would create.
        converted: Attributes whose values are converted to another type, with this type.
        form: The form of the activation mails, if there are to be any.
        problems: Why a run would not begin.
    """

    name: str
    group: Group | None = None
    total: int = 0
    existing: int | None = None
    attributes: Plan = attrs.field(
        factory=lambda: Plan(present=Definitions(), missing=Definitions())
    )
    created: list[str] = attrs.field(factory=list[str])
    converted: list[str] = attrs.field(factory=list[str])
    form: Form | None = None
    problems: list[str] = attrs.field(factory=list[str])
    _in_common: ReceiversInCommon | None = None

    async def begin(self, client: CleverReach, arguments: Arguments, wanted: Definitions) -> None:
        """Look at group, attributes and form.

        Args:
            client: The account.
            arguments: The command line.
            wanted: The attributes of the rows.

        Raises:
            CleverReachError: A call failed.
        """
        groups = await client.groups.list()
        with self._problem():
            self.group = find_group(groups, self.name, create=arguments.create)
        group_id = None if self.group is None else self.group.id
        self.attributes = await plan_attributes(
            client.attributes, wanted, group_id=group_id, create=False
        )
        self.converted = list(converted_to(wanted, self.attributes.present))
        with self._problem():
            create = arguments.create or arguments.create_attributes
            await check_missing(client, self.attributes, create=create)
            self.created = self.attributes.missing.labels
        with self._problem():
            self.form = await look_up_form(client, arguments)
        if group_id is not None:
            self.total = (await client.groups.stats(group_id)).total_count
            self._in_common = ReceiversInCommon(
                client.receivers, group_id=group_id, total=self.total
            )
            await self._in_common.begin()

    @contextmanager
    def _problem(self) -> Generator[None, None, None]:
        try:
            yield
        except ConfigurationError as error:
            self.problems.append(explain(error))

    @property
    def creates_group(self) -> bool:
        """Whether a run would create the group."""
        return self.group is None and not self.problems

    def known_attributes(self, *, has_columns: bool) -> KnownAttributes:
        """Return the attributes that the account would have for a run.

        Args:
            has_columns: Whether the rows come from columns, which convert the values themselves.
        """
        known = KnownAttributes()
        all_of_them = self.attributes.present.including(self.attributes.missing)
        known.learn(account=all_of_them.account, group=all_of_them.group, converted=has_columns)
        return known

    def add(self, rows: Iterable[EncodedRow]) -> None:
        """Take rows that a run would send."""
        if self._in_common is not None:
            self._in_common.add(rows)

    async def finish(self) -> None:
        """Count the receivers that exist already.

        Raises:
            CleverReachError: A call failed.
        """
        if self._in_common is not None:
            self.existing = await self._in_common.count()
        elif self.creates_group:
            self.existing = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        group, form = self.group, self.form
        return {
            "group_id": group and group.id,
            "group_name": group and group.name,
            "would_create_group": self.creates_group,
            "receivers_in_group": self.total if group else None,
            "receivers_existing": self.existing,
            "would_create_attributes": self.created,
            "missing_attributes": self.attributes.missing.labels,
            "converted": self.converted,
            "form_id": form and form.id,
            "form_name": form and form.name,
            "problems": self.problems,
        }

    def lines(self) -> Iterator[str]:
        """Return it for people."""
        found = list(self._findings())
        if found:
            yield "In the account:"
            yield from (f"  {line}" for line in found)

    def _findings(self) -> Iterator[str]:
        if self.group is not None:
            yield f"group {self.group.name} ({self.group.id}): {_count(self.total)}"
            yield (
                _NOT_COUNTED
                if self.existing is None
                else (f"in the group already: {_count(self.existing)} of the file")
            )
        elif self.creates_group:
            yield f"there is no group {self.name}, so a run would create it"
        if self.created:
            yield f"attributes that a run would create: {', '.join(self.created)}"
        if self.converted:
            yield f"converted to the types of the account: {', '.join(self.converted)}"
        if self.form is not None:
            place, groups = self.form.group_id, {0, self.group.id if self.group else 0}
            elsewhere = "" if place in groups else f", which belongs to another group, {place}"
            yield f"form {self.form.id} ({self.form.name}){elsewhere}"


def _count(receivers: int) -> str:
    return "1 receiver" if receivers == 1 else f"{receivers:,} receivers"
