"""``cr.bulk.export``: every receiver of a group, one after the other or in a file."""

import csv
import os
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs

from cleverreach_async.bulk.export.columns import Columns, Remarks
from cleverreach_async.bulk.export.formats import (
    CsvLines,
    ExportFormat,
    JsonLines,
    LineFormat,
    TableLines,
    choose_format,
)
from cleverreach_async.bulk.export.pages import NewReceivers
from cleverreach_async.bulk.export.parquet import check_parquet, write_parquet
from cleverreach_async.bulk.export.part_file import ExportState, PartFile, explained
from cleverreach_async.bulk.export.seen import SeenIds
from cleverreach_async.bulk.output_files import checked_path
from cleverreach_async.bulk.threads import opened_in_thread, to_end_in_thread
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.base import Resource, decode_in_steps
from cleverreach_async.resources.pages import Page
from cleverreach_async.resources.receiver_lists import MAX_PAGE_SIZE
from cleverreach_async.resources.receiver_models import Detail, Receiver
from cleverreach_async.transport.arguments import check_plain_functions
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import build_request

__all__ = ["Export", "ExportReport", "ExportRequest"]

_PATH: Final = "/groups/{group_id}/receivers"
_STATES: Final = ("all", "active", "inactive", "bounce")
_MOST_AT_A_TIME: Final = 32


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export has written.

    Attributes:
        path: The file.
        format: Its format.
        receivers: Number of receivers in it.
        resumed: How many of them an earlier, interrupted run had written.
        doubles: Receivers that the pages contained again, and the file does not: others wrote to
            the group meanwhile.
        without_column: Number of values of attributes that are not in the file, by the attribute:
            it was defined after the export had begun.
        read_otherwise: Number of values that an import of the file reads otherwise, by column: with
            blanks around them, words such as NULL, or wrapped like ``="01067"``.
        elapsed: Seconds of this run.
    """

    path: str
    format: ExportFormat
    receivers: int
    resumed: int
    doubles: int
    without_column: Mapping[str, int]
    read_otherwise: Mapping[str, int]
    elapsed: float


@attrs.frozen(kw_only=True)
class ExportRequest:
    """What is exported, checked.

    Attributes:
        group_id: The group.
        state: Only receivers in this state.
        detail: What is requested beside the profile.
        order_by: The order, or ``None`` for the server's own.
        page_size: Receivers per request.
        concurrency: Most requests at a time.
    """

    group_id: int
    state: str
    detail: Detail
    order_by: str | None
    page_size: int
    concurrency: int

    def check(self) -> None:
        """Check the arguments.

        Raises:
            ConfigurationError: One of them is out of range.
        """
        check_id("group_id", self.group_id)
        if self.state not in _STATES:
            raise ConfigurationError(f"state is {self.state!r}; use one of {', '.join(_STATES)}")
        if type(self.detail) not in (Detail, int) or not 0 <= self.detail <= Detail.ALL:
            raise ConfigurationError(f"detail is {self.detail!r}; use Detail.TAGS or Detail.ALL")
        for name, most in (("page_size", MAX_PAGE_SIZE), ("concurrency", _MOST_AT_A_TIME)):
            check_number(name, getattr(self, name), least=1, most=most)
        order: Any = self.order_by
        if order is not None and not (isinstance(order, str) and order.strip()):
            raise ConfigurationError("order_by is no text such as 'id ASC'")


class _GroupPages(Resource):
    """Requests pages of receivers."""

    async def page(self, wanted: ExportRequest, number: int) -> Page[Receiver]:
        """Return a page.

        ``GET /groups/{group_id}/receivers``
        """
        query = {
            "type": wanted.state,
            "detail": int(wanted.detail) or None,
            "order_by": wanted.order_by,
            "page": number,
            "pagesize": wanted.page_size,
        }
        path = {"group_id": wanted.group_id}
        request = build_request("GET", _PATH, path=path, query=query, accepts_false=True)
        items = await decode_in_steps(await self._json(request), Receiver, _PATH)
        return Page(items, number, len(items) < wanted.page_size, _PATH)


class Export(AsyncIterator[Receiver]):
    """The receivers of a group: iterate over it, or write it to a file. Each works once.

    Pages are requested some at a time, and their receivers come in the order of the pages, each
    once. While others write to the group, receivers may shift between pages: those that come again
    are left out by their id, and one may be missed if others leave the group.

    Attributes:
        doubles: Receivers that came again, so far.
    """

    def __init__(self, transport: Transport, wanted: ExportRequest) -> None:
        self._transport = transport
        self._wanted = wanted
        self._is_used = False
        self._seen = SeenIds()
        fetch = partial(_GroupPages(transport.call).page, wanted)
        self._pages = NewReceivers(fetch, concurrency=wanted.concurrency, seen=self._seen)
        self._page: list[Receiver] = []

    def __repr__(self) -> str:
        return f"<Export of group {self._wanted.group_id}: use `async for`, or `await ….write()`>"

    @property
    def doubles(self) -> int:
        """Receivers that came again, so far."""
        return self._pages.doubles

    async def __anext__(self) -> Receiver:
        self._is_used = True
        if not self._page:
            self._page = (await anext(self._pages))[::-1]
        return self._page.pop()

    async def write(
        self,
        path: str | os.PathLike[str],
        *,
        format: ExportFormat | None = None,  # noqa: A002 - the word of the command, keyword-only
        delimiter: str = ",",
        resume: bool = False,
        overwrite: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> ExportReport:
        """Write the receivers to a file, which has its name only when it is complete.

        Until then they are in ``PATH.part``, with which an interrupted export goes on.

        Args:
            path: The file. Only its owner can read it.
            format: ``csv``, which an import reads back; ``jsonl``, which has every field, for
                archives; or ``parquet``. By default the suffix of the file decides.
            delimiter: Column separator of a CSV file.
            resume: Whether to go on with an interrupted export of the same receivers. Attributes
                that were defined since have no column.
            overwrite: Whether to replace an existing file, and to discard an interrupted export.
            on_progress: Called with the number of receivers in the file after each page.

        Raises:
            ConfigurationError: The file cannot be written or exists already, the arguments do not
                fit each other, or the extra for Parquet is not installed.
            CleverReachError: A call failed. The export can be resumed.

        ``GET /groups/{group_id}/receivers``, ``GET /attributes``,
        ``GET /groups/{group_id}/attributes``
        """
        if self._is_used:
            raise ConfigurationError("this export was used already; call cr.bulk.export() again")
        self._is_used = True
        check_plain_functions(on_progress=on_progress)
        target = checked_path(path)
        chosen = _checked_format(target, format, self._wanted.detail, delimiter)
        about = {**self._about(), "format": chosen, "delimiter": delimiter}
        started = self._transport.clock.monotonic()
        create = partial(PartFile, target, about, resume=resume, overwrite=overwrite)
        async with opened_in_thread(create) as part:
            state = part.state or await self._new_state(about)
            resumed = state.rows
            await self._write_lines(part, state, on_progress)
            await to_end_in_thread(partial(_finish, part, state, target))
        elapsed = self._transport.clock.monotonic() - started
        return _report(target, chosen, state, resumed=resumed, elapsed=elapsed)

    def _about(self) -> Mapping[str, Any]:
        wanted = self._wanted
        return {
            "server": self._transport.base_url,
            "group_id": wanted.group_id,
            "state": wanted.state,
            "detail": int(wanted.detail),
            "order_by": wanted.order_by,
        }

    async def _new_state(self, about: dict[str, Any]) -> ExportState:
        """Return the state of an export that begins; a table needs the names of its columns."""
        account: list[str] = []
        group: list[str] = []
        if about["format"] != "jsonl":
            attributes = Attributes(self._transport.call)
            account = [it.name for it in await attributes.list()]
            group = [it.name for it in await attributes.list(group_id=self._wanted.group_id)]
        return ExportState(
            about=about, account=account, group=group, without_column={}, read_otherwise={}
        )

    async def _write_lines(
        self, part: PartFile, state: ExportState, on_progress: Callable[[int], None] | None
    ) -> None:
        lines, remarks = _lines_of(state), state.remarks()
        if state.size:
            await to_end_in_thread(partial(_read_ids, part, lines, self._seen))
            if len(self._seen) != state.rows:
                raise ConfigurationError(
                    f"{part.path} was changed; start again with --overwrite or overwrite=True"
                )
            await self._pages.resume(state.rows, self._wanted.page_size)
        else:
            await to_end_in_thread(partial(part.append, lines.header, state))
        before = state.doubles
        async for receivers in self._pages:
            state.rows += len(receivers)
            state.doubles = before + self._pages.doubles
            await to_end_in_thread(partial(_append, part, lines, receivers, state, remarks))
            if on_progress is not None:
                on_progress(state.rows)
        state.doubles = before + self._pages.doubles


def _checked_format(
    target: Path, wanted: ExportFormat | None, detail: Detail, delimiter: Any
) -> ExportFormat:
    chosen = choose_format(target.suffix, wanted, detail)
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigurationError(f"delimiter is {delimiter!r}; it takes one character")
    if chosen == "parquet":
        check_parquet()
    return chosen


def _report(
    target: Path, chosen: ExportFormat, state: ExportState, *, resumed: int, elapsed: float
) -> ExportReport:
    return ExportReport(
        path=str(target),
        format=chosen,
        receivers=state.rows,
        resumed=resumed,
        doubles=state.doubles,
        without_column=state.without_column,
        read_otherwise=state.read_otherwise,
        elapsed=elapsed,
    )


def _lines_of(state: ExportState) -> LineFormat:
    columns = Columns.of(state.account, state.group, Detail(state.about["detail"]))
    if state.about["format"] == "csv":
        return CsvLines(columns, state.about["delimiter"])
    return JsonLines() if state.about["format"] == "jsonl" else TableLines(columns)


def _read_ids(part: PartFile, lines: LineFormat, seen: SeenIds) -> None:
    """Read the ids of the receivers in an unfinished export.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        with explained(part.path), part.open_lines() as file:
            for number in lines.ids(file):
                seen.add(number)
    except (ValueError, IndexError, csv.Error):
        raise ConfigurationError(
            f"{part.path} is damaged; start again with --overwrite or overwrite=True"
        ) from None


def _append(
    part: PartFile,
    lines: LineFormat,
    receivers: list[Receiver],
    state: ExportState,
    remarks: Remarks,
) -> None:
    content = lines.lines(receivers, remarks)
    state.without_column = dict(remarks.without_column)
    state.read_otherwise = dict(remarks.read_otherwise)
    part.append(content, state)


def _finish(part: PartFile, state: ExportState, target: Path) -> None:
    if state.about["format"] != "parquet":
        part.finish()
        return
    columns = Columns.of(state.account, state.group, Detail(state.about["detail"]))
    draft = target.with_name(f"{target.name}.part.parquet")
    with explained(draft):
        draft.touch(mode=0o600)
        write_parquet(part.path, draft, columns)
    part.finish(draft)
