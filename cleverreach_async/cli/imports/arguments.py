"""The command lines of ``import`` and ``retry-rejects``, checked."""

from pathlib import Path
from typing import Annotated, ClassVar

import attrs
import typer

from cleverreach_async.cli.imports.readers import FileOptions, RejectsFileOptions
from cleverreach_async.cli.imports.send_options import SendOptions
from cleverreach_async.errors import ConfigurationError

__all__ = ["Arguments", "ImportArguments", "RetryArguments"]

Group = Annotated[str, typer.Option(help="Id or exact name of the group.", metavar="ID|NAME")]


@attrs.frozen(kw_only=True)
class ImportArguments:
    """The command line of ``import``."""

    file: Annotated[
        Path,
        typer.Argument(help="CSV, JSON Lines or Parquet; encoding and delimiter are found out."),
    ]
    group: Group
    create: Annotated[
        bool,
        typer.Option("--create", help="Create the group and the attributes that are missing."),
    ] = False
    create_attributes: Annotated[
        bool,
        typer.Option("--create-attributes", help="Create missing attributes, but no group."),
    ] = False
    rejects: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="File for the rows that are not accepted; it is replaced."
        ),
    ] = Path("rejects.jsonl")
    send: SendOptions
    reader: FileOptions

    def __attrs_post_init__(self) -> None:
        if self.create and self.send.strategy == "delete":
            raise ConfigurationError(
                "--create makes a group, and a new group has nobody to delete; leave it out"
            )


@attrs.frozen(kw_only=True)
class RetryArguments:
    """The command line of ``retry-rejects``."""

    file: Annotated[
        Path, typer.Argument(metavar="REJECTS", help="The rejects file of an import, repaired.")
    ]
    group: Group
    reader: RejectsFileOptions
    new_rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="File for the rows that are refused again.",
            show_default="rejects.retry.jsonl for rejects.jsonl",
        ),
    ] = None
    send: SendOptions
    create: ClassVar[bool] = False
    create_attributes: ClassVar[bool] = False

    @property
    def rejects(self) -> Path:
        """The file for the rows that are refused again."""
        return self.new_rejects or self.file.with_name(f"{self.file.stem}.retry.jsonl")


Arguments = ImportArguments | RetryArguments
