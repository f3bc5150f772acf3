"""Hide credentials in what comes back: in a library's error, in a server's answer.

Libraries quote headers that they refuse, and servers quote what they were sent, as it is or in a
notation of theirs. So texts are compared without the notations of JSON, PHP, Python, URLs and HTML,
and without line breaks, and credentials are looked for in Base64 too.
"""

import html
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import takewhile
from typing import Any, Final, TypeVar, cast

__all__ = ["errors_in", "hide", "hide_in_error"]

E = TypeVar("E", bound=BaseException)

_HIDDEN: Final = "<hidden>"
_SHORTEST: Final = 4
_BEGINNING: Final = 8
_MOST_LAYERS: Final = 7
_MOST_FOUND: Final = 500
"""A text with more of them is hidden as a whole, for it would take long."""
_TEXTS_OF_OS_ERRORS: Final = ("strerror", "filename", "filename2")
_BITS_PER_BYTE: Final = 8
_BITS_IN_BASE64: Final = 6

_NOTATION: Final = re.compile(
    r"\\+(?:u00(?P<unicode>[0-9a-fA-F]{2})|x(?P<byte>[0-9a-fA-F]{2}))?"
    r"|%(?P<url>[0-9a-fA-F]{2})|&(?:\#[xX]?[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});|[ \t]*[\r\n]\s*"
)
_SIGNS: Final = "\\%&\n\r"
_REST_OF_WORD: Final = re.compile(r"[\w+~-]*(?:\.[\w+~-]+)*=*")


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets, nor the beginnings of secrets that were cut.

    A word that begins like a secret is hidden to its end, because it may be an older one. The time
    that it takes grows with the length of the text, whatever is in it.

    Args:
        text: The text.
        secrets: Credentials. Those below four letters may be part of any word, and stay.
    """
    layers = "\0".join(_layers(text))
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            forms = [form for beginning, form in _forms_of(secret) if beginning in layers]
            if forms:
                text = _without(text, forms)
                layers = "\0".join(_layers(text))
    return text


@lru_cache(maxsize=64)
def _forms_of(secret: str) -> tuple[tuple[str, str], ...]:
    """Return a credential and what it looks like in Base64, after any other text, and in hex.

    Each has its beginning before it.
    """
    content = secret.encode("utf-8", "replace")
    forms = [secret, content.hex(), content.hex().upper()]
    for before in range(3):
        # Of the first and the last digit only some of the bits are those of the secret.
        first = -(-_BITS_PER_BYTE * before // _BITS_IN_BASE64)
        last = _BITS_PER_BYTE * (before + len(content)) // _BITS_IN_BASE64
        digits = b64encode(b"\0" * before + content).decode()[first:last]
        forms += [digits, digits.replace("+", "-").replace("/", "_")]
    forms += [_layers(form)[-1] for form in forms]
    usable = (form for form in dict.fromkeys(forms) if len(form) >= _SHORTEST)
    return tuple((form[:_BEGINNING], form) for form in usable)


def _layers(text: str) -> list[str]:
    """Return a text, and what it is without one notation after the other."""
    layers = [text]
    while len(layers) < _MOST_LAYERS and any(sign in text for sign in _SIGNS):
        text, before = _NOTATION.sub(_decoded, text), text
        if text == before:
            break
        layers.append(text)
    return layers


def _decoded(match: re.Match[str]) -> str:
    digits = match["unicode"] or match["byte"] or match["url"]
    if digits:
        return chr(int(digits, 16))
    return html.unescape(match[0]) if match[0].startswith("&") else ""


def _layers_with_places(text: str) -> Iterator[tuple[str, list[int], list[int]]]:
    """Yield the layers of a text, and where in the text each character begins and ends."""
    starts, ends = [*range(len(text))], [*range(1, len(text) + 1)]
    for _ in range(_MOST_LAYERS):
        yield text, starts, ends
        parts: list[str] = []
        new_starts: list[int] = []
        new_ends: list[int] = []
        done = 0
        for match in _NOTATION.finditer(text):
            place, end = match.span()
            decoded = _decoded(match)
            parts += (text[done:place], decoded)
            new_starts += starts[done:place] + [starts[place]] * len(decoded)
            new_ends += ends[done:place] + [ends[end - 1]] * len(decoded)
            done = end
        if not parts:
            break
        starts, ends = new_starts + starts[done:], new_ends + ends[done:]
        text = "".join(parts) + text[done:]


def _without(text: str, forms: Sequence[str]) -> str:
    """Remove what begins like one of the forms of a credential, as far as it goes on like one."""
    beginnings = re.compile("|".join(re.escape(form[:_BEGINNING]) for form in forms))
    spans: list[tuple[int, int]] = []
    for plain, starts, ends in _layers_with_places(text):
        place = 0
        while found := beginnings.search(plain, place):
            place = found.start() + max(_same(plain, found.start(), form) for form in forms)
            end = ends[place - 1]
            rest = _REST_OF_WORD.match(text, end)
            spans.append((starts[found.start()], end if rest is None else rest.end()))
            if len(spans) > _MOST_FOUND:
                return _HIDDEN
    parts: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if start >= done:
            parts += (text[done:start], _HIDDEN)
        done = max(done, end)
    return "".join(parts) + text[done:]


def _same(text: str, start: int, form: str) -> int:
    """Return how many characters of a text are those of a form."""
    pairs = zip(text[start : start + len(form)], form, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def errors_in(
    error: BaseException, *, handled: BaseException | None = None
) -> Iterator[BaseException]:
    """Yield an error and those that it holds: causes, contexts, members of groups. Each comes once.

    Args:
        error: Any error. It may be its own cause.
        handled: What the caller handled before; the error may have it as its context. It is left
            out, because it is the caller's.
    """
    seen = {id(handled)}
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop()
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__, *vars(link).values()]
        if isinstance(link, BaseExceptionGroup):
            waiting += cast("Any", link).exceptions


_Known = dict[int, tuple[Any, Any]]


def hide_in_error(error: E, secrets: Sequence[str]) -> E:
    """Hide secrets in the texts that an error and its causes hold.

    Where one of them shows a secret all the same, the error loses its causes.

    Returns:
        The same error.
    """
    for link in errors_in(error):
        with suppress(Exception):  # a foreign error may allow no change
            _hide_in_fields(link, secrets)
    if any(_shows(link, secrets) for link in errors_in(error) if link is not error):
        error.__cause__ = error.__context__ = None
    return error


def _hide_in_fields(error: BaseException, secrets: Sequence[str]) -> None:
    known: _Known = {}
    args = _hidden(error.args, secrets, known)
    if args is not error.args:
        error.args = args
    names = [*vars(error), *(_TEXTS_OF_OS_ERRORS if isinstance(error, OSError) else ())]
    for name in names:
        value = getattr(error, name)
        hidden = _hidden(value, secrets, known)
        if hidden is not value:
            setattr(error, name, hidden)


def _shows(error: BaseException, secrets: Sequence[str]) -> bool:
    try:
        text = "\n".join((str(error), *getattr(error, "__notes__", ())))
    except Exception:  # noqa: BLE001 - of a foreign class
        return True
    return hide(text, secrets) != text


def _hidden(value: Any, secrets: Sequence[str], known: _Known) -> Any:
    """Return a value without secrets; the same object if it has none.

    Args:
        value: A text, bytes, or a container of some.
        secrets: The secrets.
        known: The containers so far and their results, by their ids. One may contain itself.
    """
    if isinstance(value, str):
        return hide(value, secrets)
    if isinstance(value, bytes | bytearray):
        text = value.decode("latin-1")
        hidden = hide(text, secrets)
        return value if hidden == text else hidden.encode("latin-1")
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return value
    container = cast("Any", value)
    key = id(container)
    if key not in known:
        known[key] = (container, _HIDDEN)
        known[key] = (container, _hidden_in_container(container, secrets, known))
    return known[key][1]


def _hidden_in_container(value: Any, secrets: Sequence[str], known: _Known) -> Any:
    # Never changed in place, because it may be the user's.
    is_mapping = isinstance(value, Mapping)
    items: list[Any] = list(cast("Any", value).items() if is_mapping else value)
    hidden = [_hidden(item, secrets, known) for item in items]
    if all(new is old for new, old in zip(hidden, items, strict=True)):
        return value
    if is_mapping:
        return dict(hidden)
    return hidden if isinstance(value, list) else tuple(hidden)
