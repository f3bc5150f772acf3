"""The inspection of a text file from beginning to end, before its first row is read."""

from collections.abc import Sequence
from typing import BinaryIO

import attrs

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.double_encoding import Suspects
from cleverreach_async.sources.encodings import (
    WINDOWS,
    Candidate,
    RunCounts,
    candidates,
    find_utf8,
)
from cleverreach_async.sources.text_defects import (
    Defect,
    chunks,
    find_defect,
    line_at,
    source_error,
)

__all__ = ["Inspection"]


@attrs.frozen
class Inspection:
    """The inspection of an opened file.

    Attributes:
        file: The file.
        path: The file as the caller named it.
        max_line: Bytes that a line may have.
        is_named: Whether the caller named the encoding: then the text is taken as it is.
        utf8_only: Whether the format of the file has no other encoding than UTF-8.
    """

    file: BinaryIO
    path: str
    max_line: int
    is_named: bool
    utf8_only: bool = False

    def detect(self) -> str:
        """Return the encoding."""
        suspects = Suspects()
        defect = find_defect(self.file, "utf-8", 0, self.max_line, suspects.add)
        if defect is None:
            self._refuse_double(suspects)
            return "utf-8"
        if defect.kind != "encoding":
            raise source_error(self.file, self.path, "utf-8", defect)
        counts = RunCounts()
        for chunk in chunks(self.file, 0):
            counts.add(chunk)
        likely = candidates(counts)
        self._refuse_mixture(defect, counts.runs, likely)
        if likely:
            raise SourceError(
                f"{defect.reason}, and its letters are not those of Windows-1252."
                f" {_remedy(likely)}",
                path=self.path,
                line=line_at(self.file, "utf-8", defect.offset),
            )
        self.check(WINDOWS, 0)
        return WINDOWS

    def check(self, encoding: str, start: int) -> None:
        """Raise an error unless the file is text in an encoding."""
        suspects = Suspects()
        add = suspects.add if encoding == "utf-8" and not self.is_named else None
        defect = find_defect(self.file, encoding, start, self.max_line, add)
        if defect is not None:
            raise source_error(self.file, self.path, encoding, defect, utf8_only=self.utf8_only)
        self._refuse_double(suspects)

    def _refuse_double(self, suspects: Suspects) -> None:
        double = suspects.first
        if double is not None:
            raise SourceError(
                f"letters were encoded twice, {double.found[:12]!r} for {double.meant[:6]!r}:"
                ' export the file again, or have it repaired; encoding="utf-8" or --encoding'
                " utf-8 takes it as it is",
                path=self.path,
                line=line_at(self.file, "utf-8", double.offset),
            )

    def _refuse_mixture(self, defect: Defect, runs: int, likely: Sequence[Candidate]) -> None:
        """Refuse text in UTF-8 beside text that is not: one of both would be garbled."""
        encodings = (WINDOWS, *(candidate.names[0] for candidate in likely[:1]))
        count = begin = 0
        first: int | None = None
        for chunk in chunks(self.file, 0):
            found = find_utf8(chunk, encodings)
            if found and first is None:
                first = begin + found[0]
            count += len(found)
            begin += len(chunk)
        if first is None:
            return
        is_rare = 2 * count < runs
        reason = "letters in UTF-8" if is_rare else defect.reason
        what = "not" if is_rare else "UTF-8"
        raise SourceError(
            f"{reason}, while other text in the file is {what}: two encodings are mixed. Repair"
            " the line, or name one of them for the whole file with --encoding or encoding=",
            path=self.path,
            line=line_at(self.file, "utf-8", first if is_rare else defect.offset),
        )


def _remedy(likely: Sequence[Candidate]) -> str:
    """Name the encodings that are possible, each with the letters that it gives."""
    first, *_ = likely[0].names
    choices = "; ".join(f"{' or '.join(found.names)} ({found.letters})" for found in likely)
    return (
        f'Name its encoding, as in encoding="{first}" or --encoding {first}. Possible are, with'
        f" the letters that each gives: {choices}"
    )
