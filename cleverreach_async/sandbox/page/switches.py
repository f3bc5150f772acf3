"""The switches as the page shows them: their choices, and the words of their documentation."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cleverreach_async.sandbox.behaviour import Behaviour, as_text

_HEADING = re.compile(r"    # (.+)")


@dataclass(frozen=True, slots=True)
class BehaviourSwitch:
    """One field of :class:`.Behaviour`.

    Attributes:
        name: The name of the field.
        choices: The values to choose from, empty if it is any text or number.
        default: The default as text.
        words: What it switches.
        heading: What it is about.
    """

    name: str
    choices: tuple[str, ...]
    default: str
    words: str
    heading: str

    def value_in(self, behaviour: Behaviour) -> str:
        """Return the value as text, which ``Behaviour.parse`` reads."""
        return as_text(getattr(behaviour, self.name))


@cache
def switches() -> tuple[BehaviourSwitch, ...]:
    """Return all switches, in the order of the class."""
    hints = get_type_hints(Behaviour)
    found = {name: (heading, words) for heading, name, words in _documented()}
    return tuple(
        BehaviourSwitch(
            it.name,
            _choices(hints[it.name]),
            as_text(it.default),
            *reversed(found.get(it.name, ("switches", ""))),
        )
        for it in fields(Behaviour)
    )


def _choices(hint: Any) -> tuple[str, ...]:
    """Return the values of a type, empty if they cannot be listed."""
    if hint is bool:
        return ("yes", "no")
    return tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()


def _documented() -> Iterator[tuple[str, str, str]]:
    """Yield heading, name and documentation of each field, as the source has them.

    Python keeps no text behind a field; without the source the page shows names only.
    """
    try:
        source = inspect.getsource(Behaviour)
    except OSError:
        return
    lines = source.splitlines()
    heading, seen = "", 0
    body = ast.parse(source).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for statement, after in pairwise(statements):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(after, ast.Expr):
            continue
        for line in lines[seen : statement.lineno]:
            if found := _HEADING.fullmatch(line):
                heading = found[1]
        seen = statement.lineno
        if isinstance(after.value, ast.Constant) and isinstance(statement.target, ast.Name):
            words = " ".join(str(after.value.value).split()).replace("`", "")
            yield heading, statement.target.id, words
