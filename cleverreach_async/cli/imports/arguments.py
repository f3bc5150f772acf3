"""The command lines of ``cleverreach import`` and ``cleverreach retry-rejects``."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import attrs
import typer

from cleverreach_async.cli.imports.readers import FileOptions, RejectsFileOptions
from cleverreach_async.cli.imports.rejects_path import rejects_of, rejects_path, retry_of
from cleverreach_async.cli.imports.send_options import SendOptions
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.content import Content, spool_input

__all__ = ["Arguments", "ImportArguments", "IntoGroup", "Overwrite", "RetryArguments"]

IntoGroup = Annotated[str, typer.Option(help="Id or exact name of the group.", metavar="ID|NAME")]

Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace a rejects file that has rows of an earlier import."),
]


@attrs.frozen(kw_only=True)
class ImportArguments:
    """The command line of ``import``."""

    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV, Excel, JSON or Parquet file, or - for standard input; format, encoding and"
            " column separator are detected, and .gz is decompressed.",
        ),
    ]
    group: IntoGroup
    create: Annotated[
        bool, typer.Option("--create", help="Create the group and attributes if they are missing.")
    ] = False
    create_attributes: Annotated[
        bool,
        typer.Option("--create-attributes", help="Create missing attributes, but not the group."),
    ] = False
    new_rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="File for rows that are not accepted.",
            show_default="customers.rejects.jsonl for customers.csv",
        ),
    ] = None
    overwrite: Overwrite = False
    send: SendOptions
    reader: FileOptions

    def __attrs_post_init__(self) -> None:
        if self.create and self.send.strategy == "delete":
            raise ConfigurationError(
                "--create cannot be used with --strategy delete: a new group has no receivers to"
                " delete"
            )

    @cached_property
    def content(self) -> Path | Content:
        """What is read: standard input, which can be read only once, is kept."""
        return spool_input() if str(self.file) == "-" else self.file

    @property
    def rejects(self) -> Path:
        """The file for rows that are not accepted."""
        return rejects_path(self.new_rejects or rejects_of(self.file), dry_run=self.send.dry_run)

    @property
    def check_consent(self) -> bool:
        """Whether it matters what a file says of consent: not if nobody becomes active."""
        return not self.send.inactive and self.send.strategy != "delete"


@attrs.frozen(kw_only=True)
class RetryArguments:
    """The command line of ``retry-rejects``."""

    file: Annotated[
        Path, typer.Argument(metavar="REJECTS", help="Rejects file of an import, repaired.")
    ]
    group: IntoGroup
    reader: RejectsFileOptions
    new_rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="File for rows that are rejected again.",
            show_default="customers.rejects.retry.jsonl for customers.rejects.jsonl",
        ),
    ] = None
    overwrite: Overwrite = False
    send: SendOptions
    create: ClassVar[bool] = False
    create_attributes: ClassVar[bool] = False
    check_consent: ClassVar[bool] = False

    @property
    def content(self) -> Path:
        """What is read."""
        return self.file

    @property
    def rejects(self) -> Path:
        """The file for rows that are rejected again."""
        return rejects_path(self.new_rejects or retry_of(self.file), dry_run=self.send.dry_run)


Arguments = ImportArguments | RetryArguments
