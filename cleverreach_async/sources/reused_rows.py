"""Notice an iterable that fills one object again and again, so that earlier rows are lost."""

from copy import copy
from typing import Any, cast

from cleverreach_async.errors import SourceError
from cleverreach_async.resources.receiver_models import ReceiverInput

__all__ = ["ReuseCheck"]


class ReuseCheck:
    """Compares the first two rows; rows are kept until a slice is full, and this would change them.

    Attributes:
        is_done: Whether both rows were seen.
    """

    def __init__(self) -> None:
        self.is_done: bool = False
        self._first: Any = None
        self._was: Any = None

    def see(self, row: object) -> None:
        """See the next row.

        Raises:
            SourceError: It is the first one with other content.
        """
        if self._first is None:
            self._first = row
            is_mutable = isinstance(row, dict | ReceiverInput)
            self._was = copy(cast("Any", row)) if is_mutable else row
            return
        self.is_done = True
        first, was = self._first, self._was
        self._first = self._was = None
        if row is first and row != was:
            raise SourceError(
                "its rows are one object that is filled again and again; yield a new one for each"
                " row, such as {**row}",
                path="the iterable",
            )
