"""Faults: which requests fail, and how; :mod:`.injection` injects them."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

FaultKind = Literal["latency", "status", "cut", "reset", "expire_token", "short_answer", "hang"]
FaultBody = Literal["json", "html"]

EXEMPT = ("/v3/debug/ping",)
"""Paths under /v3 without faults, unless a fault has a path prefix."""


def is_call(path: str) -> bool:
    """Whether faults and limits count a request by default."""
    return path.startswith("/v3/") and path not in EXEMPT


_STATUS = re.compile(r"[2-5]\d\d")
_FINAL_STATUSES = range(200, 600)
"""The statuses below are not of responses: after them a client waits for one."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of some requests.

    Kinds: ``latency`` delays the request, ``status`` returns an error response, ``cut`` truncates
    the body, ``reset`` drops the connection, ``expire_token`` expires the access token of the
    request, ``short_answer`` removes items from a list response, ``hang`` delays the request and
    notices when the client disconnects.

    Attributes:
        kind: The kind of fault.
        rate: The share of matching requests that fail, above 0 and up to 1.
        times: The most requests that fail; None for no limit.
        after: How many matching requests succeed first.
        method: Matches only this HTTP method.
        path_prefix: Matches only paths with this prefix, e.g. ``/v3/groups``; by default all paths
            under /v3 except ping.
        path_suffix: Matches only paths with this suffix, e.g. ``/upsertplus``.
        seconds: The delay of ``latency`` and ``hang``.
        code: The HTTP status of ``status``.
        retry_after: The value of the Retry-After header of ``status``; None for no header.
        body: The body of ``status``: a JSON error of the API, or HTML of a gateway.
        committed: Whether the request is applied before ``status``, ``reset`` or ``hang``.
        at: How many bytes of the body ``cut`` sends; a negative number counts from the end.
        items: How many items ``short_answer`` removes.
        account: Matches only requests of the account with this name.

    Raises:
        ValueError: The kind is unknown, a number is out of range, or no request can match.
    """

    kind: FaultKind
    rate: float = 1.0
    times: int | None = None
    after: int = 0
    method: str | None = None
    path_prefix: str | None = None
    path_suffix: str = ""
    seconds: float = 0.0
    code: int = 503
    retry_after: int | str | None = None
    body: FaultBody = "json"
    committed: bool = False
    at: int = -1
    items: int = 1
    account: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(
                f"Unknown fault {self.kind!r}: use one of {', '.join(get_args(FaultKind))}"
            )
        if not 0 < self.rate <= 1:
            raise ValueError(f"The rate of a fault must be above 0 and up to 1, not {self.rate}")
        if not self.seconds >= 0:
            raise ValueError(f"The seconds of a fault must not be below 0, not {self.seconds}")
        for name, number, least in (
            ("times", self.times, 1),
            ("after", self.after, 0),
            ("items", self.items, 1),
        ):
            if number is not None and number < least:
                raise ValueError(f"The {name} of a fault must be at least {least}, not {number}")
        if self.code not in _FINAL_STATUSES:
            raise ValueError(f"The code of a fault must be from 200 to 599, not {self.code}")
        if self.method is not None and self.method != self.method.upper():
            raise ValueError(f"A method is in capitals: {self.method.upper()}, not {self.method}")
        if self.path_prefix is not None and not self.path_prefix.startswith("/"):
            raise ValueError(f"A path prefix begins with a slash, not as {self.path_prefix!r}")

    def matches(self, method: str, path: str, account: str | None = None) -> bool:
        """Whether the method, the path and the account of a request match."""
        if self.account not in {None, account}:
            return False
        if self.method not in {None, method} or not path.endswith(self.path_suffix):
            return False
        if self.path_prefix is not None:
            return path.startswith(self.path_prefix)
        return is_call(path)


class Faults:
    """A list of faults with a seed.

    The same requests in the same order get the same faults.

    Args:
        faults: The faults.
        seed: The seed of the random generator.

    Attributes:
        random: The random generator.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 1) -> None:
        self.random: Random = Random(seed)
        self._faults = list(faults)
        self._seen = Counter[int]()
        self._used = Counter[int]()

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self._faults.append(fault)

    @property
    def current(self) -> tuple[Fault, ...]:
        """The faults, in the order in which they were added."""
        return tuple(self._faults)

    def remove(self, index: int) -> None:
        """Remove the fault at an index of :attr:`current`; the others go on as before."""
        del self._faults[index]
        for counter in (self._seen, self._used):
            kept = {i - (i > index): number for i, number in counter.items() if i != index}
            counter.clear()
            counter.update(kept)

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()
        self._seen.clear()
        self._used.clear()

    def decide(
        self, method: str, path: str, account: str | None = None
    ) -> tuple[float, Fault | None]:
        """Choose the faults of a request.

        Every matching fault draws a random number, even if it has reached its limit, so that a
        limit on one fault does not change which requests get the others.

        Returns:
            The sum of all latencies in seconds, and the first other fault that applies.
        """
        wait, chosen = 0.0, None
        for index, fault in enumerate(self._faults):
            if not fault.matches(method, path, account):
                continue
            self._seen[index] += 1
            applies = self.random.random() < fault.rate and self._seen[index] > fault.after
            used_up = fault.times is not None and self._used[index] >= fault.times
            if not applies or used_up or (chosen is not None and fault.kind != "latency"):
                continue
            self._used[index] += 1
            if fault.kind == "latency":
                wait += fault.seconds
            else:
                chosen = fault
        return wait, chosen

    @classmethod
    def parse(cls, *specs: str, seed: int = 1) -> "Faults":
        """Parse faults of a command line.

        ``429=5%`` returns that status for 5 % of the requests. ``latency=200ms`` and
        ``hang=30s@1%`` take a duration and an optional rate; ``cut``, ``reset``, ``expire_token``
        and ``short_answer`` take an optional rate. The default rate is 100 %. Options follow a
        colon: ``429=5%:retry-after=2``, ``502=2%:committed``, ``503:html``, ``reset=1%:times=3``,
        ``503:account=shop-42``.

        Raises:
            ValueError: A specification is invalid.
        """
        return cls([parse_fault(spec) for spec in specs], seed=seed)


def parse_fault(spec: str) -> Fault:
    """Parse one fault; see :meth:`Faults.parse`.

    Raises:
        ValueError: The specification is invalid.
    """
    head, *options = spec.strip().split(":")
    name, _, value = head.partition("=")
    name = name.strip().replace("-", "_")
    settings: dict[str, object] = {}
    if _STATUS.fullmatch(name):
        settings |= {"kind": "status", "code": int(name)}
        if int(name) == _BAD_GATEWAY:
            settings["body"] = "html"  # M: a 502 comes from a gateway, as HTML
    elif name in {"latency", "hang"}:
        duration, _, value = value.partition("@")
        settings |= {"kind": name, "seconds": _seconds(duration, spec)}
    elif name in get_args(FaultKind) and name != "status":
        settings["kind"] = name
    else:
        raise ValueError(
            f"Unknown fault {spec!r}: use a status such as 429=5%, latency=200ms, hang=30s@1%,"
            " or cut, reset, expire_token or short_answer with an optional rate"
        )
    settings["rate"] = _rate(value, spec)
    for option in options:
        settings |= _option(option, spec)
    return Fault(**settings)  # type: ignore[arg-type]


_BAD_GATEWAY = 502


def _seconds(text: str, spec: str) -> float:
    """Parse a duration such as 200ms or 1.5s."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"Fault {spec!r} needs a duration such as 200ms or 1.5s, not {text!r}")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _rate(text: str, spec: str) -> float:
    """Parse a rate such as 5% or 0.05; an empty one is 100 %."""
    text = text.strip()
    if not text:
        return 1.0
    found = _PERCENT.fullmatch(text)
    try:
        rate = float(found[1]) / 100 if found else float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate <= 1:
        raise ValueError(
            f"Fault {spec!r} needs a rate above 0 and up to 100%, such as 5% or 0.05, not {text!r}"
        )
    return rate


def _option(option: str, spec: str) -> dict[str, object]:
    """Parse one option into settings."""
    name, _, value = option.strip().partition("=")
    match name:
        case "committed":
            return {"committed": True}
        case "html" | "json":
            return {"body": name}
        case "retry-after" if value:
            return {"retry_after": value}
        case "account" if value:
            return {"account": value}
        case "times" if value.isascii() and value.isdigit():
            return {"times": int(value)}
        case _:
            raise ValueError(
                f"Fault {spec!r} has an unknown option {option!r}:"
                " use committed, html, json, retry-after=SECONDS, times=NUMBER or account=NAME"
            )
