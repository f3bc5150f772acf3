"""Check arguments that are functions, and name what was passed instead."""

from inspect import isawaitable, iscoroutinefunction

from cleverreach_async.errors import ConfigurationError

__all__ = ["check_answer", "check_plain_function", "check_plain_functions", "kind_of"]


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
