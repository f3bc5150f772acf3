"""Arguments of calls that are objects, or mappings with their fields."""

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import isawaitable, iscoroutinefunction
from typing import Any, TypeVar, cast

import attrs

from cleverreach_async.errors import ConfigurationError

__all__ = [
    "as_model",
    "check_answer",
    "check_plain_function",
    "check_plain_functions",
    "kind_of",
]

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


def _unknown_field(field: object, name: str, known: list[str]) -> str:
    close = get_close_matches(str(field).lower().replace("-", ""), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    also = "; values of attributes belong in global_attributes" if "email" in known else ""
    return f"{name} has no field {field!r}: {hint}Known are {', '.join(known)}{also}"


def check_plain_function(name: str, value: object, remedy: str = "pass a function") -> None:
    """Check that an argument can be called and is not async: nobody would await it.

    Args:
        name: The name of the argument.
        value: What was passed for it.
        remedy: What to pass.

    Raises:
        ConfigurationError: It is none.
    """
    if not callable(value):
        raise ConfigurationError(f"{name} is {kind_of(value)}; {remedy}")
    if iscoroutinefunction(value) or iscoroutinefunction(getattr(value, "__call__", None)):  # noqa: B004
        raise _is_async(name)


def check_plain_functions(**functions: object) -> None:
    """Check some arguments as :func:`check_plain_function` does, but for those that are ``None``.

    Raises:
        ConfigurationError: One is no plain function.
    """
    for name, value in functions.items():
        if value is not None:
            check_plain_function(name, value)


def check_answer(name: str, answer: object) -> None:
    """Check what a function has returned: something to await would count as a yes.

    Args:
        name: The name of the argument that is the function.
        answer: What it has returned.

    Raises:
        ConfigurationError: It is to be awaited.
    """
    if isawaitable(answer):
        getattr(answer, "close", lambda: None)()  # otherwise Python warns that nobody awaits it
        raise _is_async(name)


def _is_async(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is an async function; pass a plain one")


def kind_of(value: object) -> str:
    """Return what a value is, for an error, without the value."""
    return "None" if value is None else f"of type {type(value).__name__}"
