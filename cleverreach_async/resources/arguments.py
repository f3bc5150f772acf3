"""Arguments of calls that are objects, or mappings with their fields."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, cast

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.arguments import kind_of

__all__ = ["as_model", "as_texts"]

_T = TypeVar("_T")


def as_model(value: object, model: type[_T], name: str, first: str) -> _T:
    """Return an object of a model, which may be given as a mapping of its fields.

    Args:
        value: The object or the mapping.
        model: An attrs class.
        name: What the value is, for the error.
        first: The field that identifies it.

    Raises:
        ConfigurationError: It is neither, or a field is unknown; the message says what to pass.
    """
    if isinstance(value, model):
        return value
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"{name} is {kind_of(value)}; pass {model.__name__}({first}=…, …), or a mapping of"
            " its fields"
        )
    fields = cast("Mapping[str, Any]", value)
    known = attrs.fields_dict(cast("type[attrs.AttrsInstance]", model))
    for field in fields:
        if field not in known:
            raise ConfigurationError(_unknown_field(field, name, [*known]))
    missing = [
        field
        for field, about in known.items()
        if about.default is attrs.NOTHING
        if fields.get(field) is None
    ]
    if missing:
        raise ConfigurationError(f"{name} has no {' and no '.join(missing)}")
    # None stands for no value, but says of ``activated`` that they have not confirmed.
    given = {k: v for k, v in fields.items() if v is not None or k == "activated"}
    return model(**given)


def as_texts(name: str, values: object, what: str) -> list[str]:
    """Return texts, which may be given as one.

    Args:
        name: The name of the argument.
        values: What was passed for it.
        what: What the texts are, for the error.

    Raises:
        ConfigurationError: There is none, an empty one, or something else.
    """
    several = [values] if isinstance(values, str) else values
    if not isinstance(several, Iterable) or isinstance(several, bytes | Mapping):
        raise ConfigurationError(f"{name} is {kind_of(values)}; pass a list of {what}")
    texts = [*cast("Iterable[object]", several)]
    if not texts:
        raise ConfigurationError(f"{name} is empty; pass a list of {what}")
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ConfigurationError(
            f"{name} has something that is no text, or an empty one; pass a list of {what}"
        )
    return cast("list[str]", texts)


def _unknown_field(field: object, name: str, known: list[str]) -> str:
    close = get_close_matches(str(field).lower().replace("-", ""), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    also = "; values of attributes belong in global_attributes" if "email" in known else ""
    return f"{name} has no field {field!r}: {hint}Known are {', '.join(known)}{also}"
