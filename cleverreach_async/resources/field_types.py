"""Types of the fields of models, which the converter knows how to read."""

from collections.abc import Mapping
from typing import Annotated, Any

__all__ = ["AttributeValues", "Extra", "Number"]

Extra = Mapping[str, Any]

Number = int | float
"""A whole number is an ``int``, any other a ``float``."""

AttributeValues = Annotated[Mapping[str, Any], "attributes of a receiver"]
"""Values by name: text, except where the API sends a truth value, a list or an object."""
