"""Hide the credentials of a request in what comes back: a library's error, a server's answer.

Libraries quote headers that they refuse, and servers quote what they were sent.
"""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final, TypeVar
from urllib.parse import quote

import attrs

from cleverreach_async.transport.wire import Response

__all__ = ["hide", "hide_in_error", "hide_in_response"]

E = TypeVar("E", bound=BaseException)

_HIDDEN: Final = "<hidden>"
_SHORTEST: Final = 4
_BEGINNING: Final = 8


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets, nor the beginnings of secrets that were cut.

    Args:
        text: The text.
        secrets: Credentials. Those below four letters may be part of any word, and stay.
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            forms = _forms(secret)
            for beginning in {form[:_BEGINNING] for form in forms}:
                text = _without(text, beginning, forms)
    return text


def _forms(secret: str) -> set[str]:
    """Return a credential as it is, and as URLs, PHP's JSON and Python write it."""
    return {secret, quote(secret, safe=""), secret.replace("/", r"\/"), repr(secret)[1:-1]}


def _without(text: str, beginning: str, forms: Iterable[str]) -> str:
    """Remove what begins like a credential, as far as it goes on like one."""
    rests = [form[len(beginning) :] for form in forms if form.startswith(beginning)]
    first, *others = text.split(beginning)
    return first + "".join(
        _HIDDEN + part[max(_same(part, rest) for rest in rests) :] for part in others
    )


def _same(text: str, other: str) -> int:
    """Return the length of the beginning that two texts have in common."""
    pairs = zip(text, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def hide_in_error(error: E, secrets: Sequence[str]) -> E:
    """Hide secrets in the texts that an error and its causes hold.

    Returns:
        The same error.
    """
    link: BaseException | None = error
    while link is not None:
        link.args = tuple(_hidden(it, secrets) for it in link.args)
        for name, value in vars(link).items():
            if isinstance(value, str):
                setattr(link, name, hide(value, secrets))
        link = link.__cause__ or link.__context__
    return error


def _hidden(value: object, secrets: Sequence[str]) -> object:
    if isinstance(value, str):
        return hide(value, secrets)
    if isinstance(value, bytes):
        return hide(value.decode("latin-1"), secrets).encode("latin-1")
    return value


def hide_in_response(response: Response, secrets: Sequence[str]) -> Response:
    """Return a response without secrets in its body and headers."""
    text = response.content.decode("latin-1")
    return attrs.evolve(
        response,
        headers={name: hide(value, secrets) for name, value in response.headers.items()},
        content=hide(text, secrets).encode("latin-1"),
    )
