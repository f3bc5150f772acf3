"""Commands that are loaded when they are called, and their help.

The help of the whole command needs the names and descriptions of all commands, but the options of
none; what a command imports would take most of the time.
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from cleverreach_async.cli.exit_statuses import INTERRUPTED, USAGE
from cleverreach_async.cli.loading import ended_by_ctrl_c

__all__ = ["Command", "CommandGroup", "Run"]

_HYPHEN: Final = "\N{NON-BREAKING HYPHEN}"

Run = Callable[..., int | None]
"""Runs a command; its arguments are ``output`` and options."""

_UsageError: Final = typer.BadParameter.__bases__[0]


class _WholeWords:
    """Writes a help of which no line ends at a hyphen: ``--dry-run`` stays in one line.

    Args:
        formatter: The formatter of typer, which breaks lines at hyphens.
    """

    def __init__(self, formatter: Any) -> None:
        self._formatter = formatter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._formatter, name)

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        self._formatter.write_text(text.replace("-", _HYPHEN))

    def write_dl(self, rows: Sequence[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        """Write names and their descriptions."""
        whole = [(name, text.replace("-", _HYPHEN)) for name, text in rows]
        self._formatter.write_dl(whole, *args, **kwargs)

    def getvalue(self) -> str:
        """Return the help."""
        return str(self._formatter.getvalue()).replace(_HYPHEN, "-")


def _help_of(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    formatter: Any = _WholeWords(ctx.make_formatter())
    command.format_help(ctx, formatter)
    return str(formatter.getvalue()).rstrip("\n")


class Command(TyperCommand):
    """A command whose function returns the function that runs it, which has the options."""

    def load(self) -> None:
        """Get the options, and what runs the command."""
        with ended_by_ctrl_c():
            from cleverreach_async.cli.options import command  # noqa: PLC0415

            find: Any = self.callback
            loaded = typer.Typer(add_completion=False)
            loaded.command()(command(find()))
            complete = typer.main.get_command(loaded)
        self.params: list[Any] = complete.params
        self.callback: Any = complete.callback

    def get_help(self, ctx: Any) -> str:
        """Return the help."""
        return _help_of(self, ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, in one list for each panel."""
        panels: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None)
                panels[panel or f"{parameter.param_type_name}s".capitalize()].append(record)
        for name, records in panels.items():
            with formatter.section(name):
                formatter.write_dl(records)


class CommandGroup(TyperGroup):
    """The command line. Its usage errors end with status 1: status 2 means rejected rows.

    Ctrl-C ends with the same status here as in a running command.
    """

    def get_help(self, ctx: Any) -> str:
        """Return the help."""
        return _help_of(self, ctx)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the arguments before the subcommand."""
        with _own_statuses():
            return super().make_context(*args, **kwargs)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the subcommand and load it."""
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, Command):
            command.load()
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Parse the subcommand's arguments and run it."""
        with _own_statuses():
            return super().invoke(ctx)


@contextmanager
def _own_statuses() -> Generator[None, None, None]:
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, _UsageError):
            error.__dict__["exit_code"] = USAGE
        raise
