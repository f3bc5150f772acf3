"""From a method and a path to the operation that answers it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .call import Call
from .values import Json

Operation = Callable[[Call], Json]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    Attributes:
        method: The HTTP method.
        template: The path, with ``{name}`` for a whole segment that varies.
        operation: What answers it.
        needs_token: Whether a valid access token is demanded first.
    """

    method: str
    template: str
    operation: Operation
    needs_token: bool = True

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments of the template."""
        return tuple(self.template.strip("/").split("/"))


def split_path(raw_path: str) -> tuple[str, ...]:
    """The decoded segments of a path, without the legacy ``.json``, which changes nothing (H).

    Splitting comes before decoding, so that an encoded slash stays inside its segment. Addresses
    keep their ending, whatever it is.
    """
    segments = (unquote(segment) for segment in raw_path.strip("/").split("/"))
    return tuple(s if "@" in s else s.removesuffix(".json") for s in segments)


def _is_variable(segment: str) -> bool:
    """Whether a template segment varies."""
    return segment.startswith("{")


class Router:
    """Finds routes; a literal segment wins over one that varies."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}
        for route in routes:
            key = route.method, len(route.segments)
            self._routes.setdefault(key, []).append((route.segments, route))
        for candidates in self._routes.values():
            candidates.sort(key=lambda candidate: [_is_variable(s) for s in candidate[0]])

    def find(self, method: str, path: tuple[str, ...]) -> tuple[Route, Mapping[str, str]] | None:
        """The route for a path and the parameters in it."""
        for template, route in self._routes.get((method, len(path)), ()):
            params: dict[str, str] = {}
            for pattern, segment in zip(template, path, strict=True):
                if _is_variable(pattern):
                    params[pattern[1:-1]] = segment
                elif pattern != segment:
                    break
            else:
                return route, params
        return None
