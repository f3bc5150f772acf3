"""Check credentials where they enter, without showing them.

A credential is sent in a header or a form. With a line break, NUL or a letter outside of ASCII it
cannot be sent, and the error of an HTTP library would repeat it. So it is wrapped before anything
can fail, and then checked: no message and no variable of a frame shows it.
"""

import re
from typing import Any, Final

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import Masked, Secret

__all__ = ["as_credential", "check_credential", "check_text", "defect_of", "masked", "set_fields"]

_UNUSABLE: Final = re.compile(r"[^!-~]")
_UNUSABLE_IN_TEXT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def as_credential(value: Any) -> Secret:
    """Wrap a credential, without the blanks around a text; anything else is wrapped too."""
    if isinstance(value, Secret):
        return value
    return Secret(value.strip() if isinstance(value, str) else value)


def masked(value: Any) -> Any:
    """Return a text that no ``repr`` shows; anything but text is returned as it is."""
    return Masked(value) if isinstance(value, str) else value


def check_credential(secret: Secret, name: str) -> None:
    """Check a credential that was wrapped by :func:`as_credential`.

    Args:
        secret: The credential.
        name: What to call it in the message.

    Raises:
        ConfigurationError: It cannot be sent.
    """
    if kind := _other_type(secret.reveal()):
        raise ConfigurationError(f"{name} is of type {kind}; pass it as text or as a Secret")
    if not secret:
        raise ConfigurationError(f"{name} is empty; is the variable that holds it set?")
    if secret.reveal().lower().startswith("bearer "):
        raise ConfigurationError(f"{name} begins with the word Bearer; pass it without")
    if defect := defect_of(secret.reveal()):
        raise ConfigurationError(f"{name} contains {defect}; copy it again, and nothing around it")


def defect_of(credential: str) -> str:
    """Return what a credential contains and must not contain, or an empty text."""
    found = _UNUSABLE.search(credential)
    return _name_of(found[0]) if found else ""


def check_text(text: object, name: str) -> None:
    """Check a text that is sent and is no secret.

    Args:
        text: The text.
        name: What to call it in the message.

    Raises:
        ConfigurationError: It is no text, or cannot be encoded.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"{name} is of type {_other_type(text)}; pass a text")
    if found := _UNUSABLE_IN_TEXT.search(text):
        raise ConfigurationError(f"{name} contains {_name_of(found[0])}")


def _other_type(value: object) -> str:
    """Return the name of the type of what is no text, or an empty text."""
    return "" if isinstance(value, str) else type(value).__name__


def _name_of(char: str) -> str:
    if char in "\r\n":
        return "a line break"
    if char < " " or char == "\x7f":
        return "a control character"
    if char == " ":
        return "a space"
    if "\ud800" <= char <= "\udfff":
        return "half a character (a lone surrogate)"
    return "a non-ASCII character"


def set_fields(instance: object, **values: object) -> None:
    """Set the fields of a frozen instance, in an ``__init__`` that is not generated.

    The frame of a generated one would show the plain text when a check fails. Set the fields before
    the checks, because error reporters show the instance as well.
    """
    for name, value in values.items():
        object.__setattr__(instance, name, value)
