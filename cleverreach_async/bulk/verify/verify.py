"""``cr.bulk.verify``: what of a source a group has, and what not."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio.lowlevel
import attrs
import msgspec

from cleverreach_async.bulk.export.export import Export
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.intake.reading import Source, read_source
from cleverreach_async.bulk.intake.slices import SliceLimit
from cleverreach_async.bulk.rows import Outcome, RowResult, email_key
from cleverreach_async.bulk.verify.compare import ANY_TIME, differences, has_uncompared
from cleverreach_async.bulk.verify.differences import DifferencesFile
from cleverreach_async.bulk.verify.report import Difference, VerifyReport
from cleverreach_async.bulk.verify.table import ExpectedRow, RowTable
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.receiver_models import Receiver
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.sources.addresses import strip_address
from cleverreach_async.sources.column_options import columns_of
from cleverreach_async.sources.columns import ACCOUNT_PREFIX, GROUP_PREFIX
from cleverreach_async.sources.rows import Item, SourceRow
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.wire import as_object

__all__ = ["Verification", "verify"]

_SAMPLES: Final = 5
"""Differences of each kind that the report shows."""
_AT_ONCE: Final = 500


@attrs.define(kw_only=True)
class Verification:
    """One comparison.

    Attributes:
        source: The rows.
        export: The receivers of the group.
        attributes: The calls for attributes.
        group_id: The group.
        clock: The clock.
        report: The counters so far.
    """

    source: Source
    export: Export
    attributes: Attributes
    group_id: int
    clock: Clock
    report: VerifyReport = attrs.field(factory=VerifyReport)
    _numbers: frozenset[str] = frozenset()
    _samples: Counter[str] = attrs.field(factory=Counter[str])
    _encoder: Encoder = attrs.field(factory=lambda: Encoder(Preparation(now=ANY_TIME)))

    async def learn_types(self) -> None:
        """Let columns convert their values to the types of the account, as an import does."""
        account = {it.name: it.type for it in await self.attributes.list()}
        of_group = await self.attributes.list(group_id=self.group_id)
        group = {f"{GROUP_PREFIX}{it.name}": it.type for it in of_group}
        numbers = [f"{ACCOUNT_PREFIX}{name}" for name, kind in account.items() if kind == "number"]
        numbers += [name for name, kind in group.items() if kind == "number"]
        self._numbers = frozenset(numbers)
        columns = columns_of(self.source)
        if columns is not None:
            columns.take_types({**account, **group}, relative=True)

    async def run(self, table: RowTable, file: DifferencesFile) -> VerifyReport:
        """Compare everything.

        Args:
            table: An empty table.
            file: Gets the differences.
        """
        started = self.clock.monotonic()
        await self.learn_types()
        rows: list[Item] = []
        take: Callable[[], Awaitable[None]] = partial(self._take, rows, table, file)
        await read_source(self.source, rows, take, SliceLimit(self.clock))
        page: list[Receiver] = []
        async for receiver in self.export:
            page.append(receiver)
            if len(page) == _AT_ONCE:
                self._compare(page, table, file)
                page.clear()
                await anyio.lowlevel.checkpoint()
        self._compare(page, table, file)
        await self._add_missing(table, file)
        file.finish()
        self.report.elapsed = self.clock.monotonic() - started
        return self.report

    async def _take(self, rows: list[Item], table: RowTable, file: DifferencesFile) -> None:
        """Encode a slice as an import does, and keep what it would send."""
        first = self.report.rows + 1
        self.report.rows += len(rows)
        good, bad = self._encoder.encode(rows, range(first, first + len(rows)))
        for row in good:
            fields = as_object(msgspec.json.decode(row.body))
            if _is_pending(rows[row.number - first]):
                fields["activated"] = 0
            self._keep(ExpectedRow(row.key, row.number, row.line, fields), table)
        unreadable: list[Difference] = []
        for result in bad:
            if result.outcome is Outcome.EXCLUDED:
                self.report.excluded += 1
                if key := email_key(_email_in(result)):
                    alone = ExpectedRow(key, result.row, result.line, {}, is_excluded=True)
                    self._keep(alone, table)
            else:
                self.report.unreadable += 1
                unreadable.append(_unreadable(result))
        self._record(unreadable, file)
        rows.clear()
        await anyio.lowlevel.checkpoint()

    def _keep(self, row: ExpectedRow, table: RowTable) -> None:
        if table.add(row):
            self.report.repeated += 1

    def _compare(
        self, receivers: Sequence[Receiver], table: RowTable, file: DifferencesFile
    ) -> None:
        found: list[Difference] = []
        for receiver in receivers:
            self.report.receivers += 1
            difference = self._difference(receiver, table)
            if difference is None:
                self.report.equal += 1
            else:
                found.append(difference)
        self._record(found, file)

    def _difference(self, receiver: Receiver, table: RowTable) -> Difference | None:
        report, key = self.report, email_key(receiver.email)
        row = table.find(key)
        if row is None:
            report.beyond += 1
            return Difference(kind="beyond", email=receiver.email)
        table.mark(key)
        report.not_compared += has_uncompared(row.fields, self._numbers)
        if row.is_excluded:
            is_active = receiver.active or (receiver.active is None and _seems_active(receiver))
            fields: dict[str, tuple[Any, Any]] = {"active": (False, True)} if is_active else {}
        else:
            fields = differences(row.fields, receiver, self._numbers)
        if not fields:
            return None
        report.different += 1
        report.fields.update(fields.keys())
        return Difference(
            kind="different", email=receiver.email, row=row.number, line=row.line, fields=fields
        )

    async def _add_missing(self, table: RowTable, file: DifferencesFile) -> None:
        found: list[Difference] = []
        for row in table.missing():
            self.report.missing += 1
            found.append(Difference(kind="missing", email=row.key, row=row.number, line=row.line))
            if len(found) == _AT_ONCE:
                self._record(found, file)
                found.clear()
                await anyio.lowlevel.checkpoint()
        self._record(found, file)

    def _record(self, found: Iterable[Difference], file: DifferencesFile) -> None:
        found = list(found)
        file.write(found)
        for difference in found:
            if self._samples[difference.kind] < _SAMPLES:
                self._samples[difference.kind] += 1
                self.report.samples.append(difference)


async def verify(work: Verification, path: Path | None, *, overwrite: bool) -> VerifyReport:
    """Compare a source with a group.

    Args:
        work: What to compare.
        path: The file for the differences, if any.
        overwrite: Whether an existing one is replaced.

    Raises:
        CleverReachError: The source cannot be read, a call failed, or the file cannot be written.
    """
    with DifferencesFile(path, overwrite=overwrite) as file, RowTable() as table:
        return await work.run(table, file)


def _is_pending(item: Item) -> bool:
    """Whether a row says that the person has not confirmed; of that, only a time is sent."""
    receiver: Any = item.receiver if isinstance(item, SourceRow) else item
    if isinstance(receiver, dict):
        return as_object(receiver).get("activated", UNSET) is None
    return getattr(receiver, "activated", UNSET) is None


def _seems_active(receiver: Receiver) -> bool:
    times = (receiver.deactivated, receiver.bounced)
    return receiver.activated is not None and times == (None, None)


def _email_in(result: RowResult) -> str:
    email = as_object(msgspec.json.decode(result.receiver or b"{}")).get("email")
    return strip_address(email) if isinstance(email, str) else ""


def _unreadable(result: RowResult) -> Difference:
    return Difference(
        kind="unreadable",
        email=_email_in(result),
        row=result.row,
        line=result.line,
        reason=f"{result.code}: {result.message}",
    )
