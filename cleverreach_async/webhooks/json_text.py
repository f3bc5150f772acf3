"""Read the JSON of a delivery. What two readers may take for different things is refused."""

import json
from typing import Any, Final, cast

__all__ = ["MalformedDeliveryError", "read_object"]

_MAX_DEPTH: Final = 20


class MalformedDeliveryError(ValueError):
    """A delivery that is not what the vendor sends. The text quotes nothing of it."""


def read_object(raw: bytes) -> dict[str, Any]:
    """Return a JSON object in UTF-8.

    Args:
        raw: The body of a request.

    Raises:
        MalformedDeliveryError: It is none; a name is there twice; it is nested more than 20 levels
            deep; it has a number that is none, or half of a surrogate pair.
    """
    value = _parse(raw)
    if not isinstance(value, dict):
        raise MalformedDeliveryError("not a JSON object")
    found = cast("dict[str, Any]", value)
    _check_depth(found)
    return found


def _parse(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_number
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for half a pair
    except MalformedDeliveryError:
        raise
    except UnicodeError:
        reason = "not UTF-8"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError:
        reason = "not JSON"
    else:
        return value
    raise MalformedDeliveryError(reason)  # without a cause, whose text quotes the delivery


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedDeliveryError("a name is there twice")
    return found


def _refuse(_name: str) -> Any:
    raise MalformedDeliveryError("a number is none")


def _number(text: str) -> float:
    number = float(text)
    return number if abs(number) < float("inf") else _refuse(text)


def _check_depth(value: dict[str, Any]) -> None:
    """Refuse what would be too deep for code that walks through it."""
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        level = [part for parent in level for part in _parts(parent)]
        if not level:
            return
    raise MalformedDeliveryError("nested too deeply")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
