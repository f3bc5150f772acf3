"""What the commands that show an account share: calls for each of several, and tables."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import anyio
import attrs

from cleverreach_async.cli.output import Output

__all__ = ["day", "each", "plain_fields", "print_list", "table"]

_T = TypeVar("_T")
_R = TypeVar("_R")
_AT_A_TIME: Final = 8


async def each(items: Sequence[_T], call: Callable[[_T], Awaitable[_R]]) -> list[_R]:
    """Return the results of a call for each item, in their order; some run at the same time.

    Raises:
        Exception: That of the first item whose call failed.
    """
    found: dict[int, _R] = {}
    failed: dict[int, Exception] = {}
    limiter = anyio.CapacityLimiter(_AT_A_TIME)

    async def run(number: int, item: _T) -> None:
        async with limiter:
            if failed:
                return
            try:
                found[number] = await call(item)
            except Exception as error:  # noqa: BLE001 - raised below, not in a group
                failed[number] = error

    async with anyio.create_task_group() as group:
        for number, item in enumerate(items):
            group.start_soon(run, number, item)
    for number in sorted(failed):
        raise failed[number]
    return [found[number] for number in range(len(items))]


def print_list(
    output: Output,
    found: Sequence[_T],
    *,
    as_json: bool,
    fields: Callable[[_T], object],
    head: Sequence[str],
    cells: Callable[[_T], Sequence[str]],
    empty: str,
) -> None:
    """Print a list as JSON or as a table.

    Args:
        output: Where to print.
        found: The items.
        as_json: Whether to print JSON.
        fields: Returns the fields of an item, for JSON.
        head: The head of the table.
        cells: Returns the cells of an item, for the table.
        empty: What to say if there are no items.
    """
    if as_json:
        output.result_json([fields(it) for it in found])
    elif not found:
        output.info(empty)
    else:
        for line in table(head, [cells(it) for it in found]):
            output.result(line)


def plain_fields(model: Any) -> dict[str, Any]:
    """Return the fields of a model as plain values, without those that it does not know."""
    return attrs.asdict(model, filter=_is_known, value_serializer=_plain)


def _is_known(field: Any, _value: object) -> bool:
    return bool(field.name != "extra")


def _plain(_model: object, _field: object, value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table.

    Args:
        head: The headings; those of columns that are aligned to the right begin with ``>``.
        rows: The cells.
    """
    is_right = [name.startswith(">") for name in head]
    lines = [[name.removeprefix(">") for name in head], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    for line in lines:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_right, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def day(moment: datetime | None) -> str:
    """Return a day in the local time zone, or a hyphen."""
    return f"{moment.astimezone():%Y-%m-%d}" if moment else "-"
