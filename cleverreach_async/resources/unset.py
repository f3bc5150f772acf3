"""The value of a field that is not set."""

from typing import Final

import msgspec

__all__ = ["UNSET", "Unset"]

UNSET: Final = msgspec.UNSET
"""Not sent. ``None`` is sent as ``null``."""

Unset = msgspec.UnsetType
