"""The names of rejects files, which are those of their sources."""

from pathlib import Path, PurePath
from typing import Final

__all__ = ["rejects_of", "rejects_path", "retry_of"]

_COMPRESSED: Final = frozenset({".gz", ".gzip"})


def rejects_of(source: PurePath) -> Path:
    """Return the rejects file of a source, in the current folder.

    ``customers.rejects.jsonl`` for ``customers.csv`` and ``customers.csv.gz``, and
    ``stdin.rejects.jsonl`` for ``-``.
    """
    if str(source) == "-":
        return Path("stdin.rejects.jsonl")
    if source.suffix.lower() in _COMPRESSED:
        source = source.with_suffix("")
    return Path(f"{source.stem}.rejects.jsonl")


def retry_of(rejects: Path) -> Path:
    """Return the file for rows that are rejected again, beside the rejects file.

    ``customers.rejects.retry.jsonl`` for ``customers.rejects.jsonl``.
    """
    return rejects.with_name(f"{rejects.stem}.retry.jsonl")


def rejects_path(rejects: Path, *, dry_run: bool) -> Path:
    """Return the file that a run writes: that of a dry run has another name.

    Args:
        rejects: The rejects file.
        dry_run: Whether nothing is sent; then it is ``customers.dry-run.jsonl`` for
            ``customers.rejects.jsonl``.
    """
    if not dry_run:
        return rejects
    name = rejects.name.removesuffix(".jsonl").removesuffix(".rejects")
    return rejects.with_name(f"{name}.dry-run.jsonl")
