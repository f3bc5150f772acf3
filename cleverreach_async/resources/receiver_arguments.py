"""Receivers as arguments of a call: objects, or mappings with their fields."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.arguments import as_model
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.transport.arguments import kind_of

__all__ = ["ReceiverLike", "as_receiver", "as_receivers", "split_tags"]

ReceiverLike = ReceiverInput | Mapping[str, Any]
"""A receiver to write; a mapping has the fields of ``ReceiverInput``."""

_TAG: Final = re.compile(r"\s*(?:\"([^\"]*)\"\s*(?=[,;|]|$)|([^,;|]*))(?:[,;|]|$)")


def split_tags(text: str) -> list[str]:
    """Return the tags of a text with commas, semicolons or bars between them.

    A tag may be in double quotes.
    """
    if not text:
        return []
    if '"' in text:
        parts = _quoted_tags(text)
    else:
        # Files have millions of tags; a regular expression would take several times as long.
        parts = text.replace(";", ",").replace("|", ",").split(",")
    return [tag for part in parts if (tag := part.strip())]


def _quoted_tags(text: str) -> list[str]:
    return [found[1] if found[2] is None else found[2] for found in _TAG.finditer(text)]


def as_receiver(value: object) -> ReceiverInput:
    """Return a receiver, which may be given as a mapping of its fields; tags may be one text.

    Raises:
        ConfigurationError: It is neither, or a field is unknown; the message says what to pass.
    """
    receiver = as_model(value, ReceiverInput, "the receiver", "email")
    orders: object = receiver.orders
    if orders and not isinstance(orders, list | tuple):
        raise ConfigurationError(f"orders is {kind_of(orders)}; pass a list of orders: [order]")
    if isinstance(receiver.tags, str):
        return attrs.evolve(receiver, tags=split_tags(receiver.tags))
    return receiver


def as_receivers(values: object) -> list[ReceiverInput]:
    """Return several receivers.

    Raises:
        ConfigurationError: It is one receiver, or nothing of the kind.
    """
    kind = kind_of(values)
    is_one = isinstance(values, ReceiverInput | Mapping | str | bytes)
    if is_one or not isinstance(values, Iterable):
        raise ConfigurationError(f"receivers is {kind}; pass a list of receivers: [receiver]")
    return [as_receiver(value) for value in cast("Iterable[object]", values)]
