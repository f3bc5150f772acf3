"""Faults on demand: which requests go wrong, and how; :mod:`.asgi` acts the decisions out."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

FaultKind = Literal["latency", "status", "cut", "reset", "expire_token", "short_answer", "hang"]
FaultBody = Literal["json", "html"]

SPARED = ("/v3/debug/ping",)
"""Under /v3 but left alone by faults that name no path."""

_STATUS = re.compile(r"[1-5]\d\d")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with some requests.

    Kinds: ``latency`` waits, ``status`` answers an error, ``cut`` ends the body early, ``reset``
    drops the connection, ``expire_token`` lets the presented token be too old, ``short_answer``
    drops items of a list answer, ``hang`` waits for very long.

    Attributes:
        kind: What goes wrong.
        rate: The share of matching requests it happens to.
        times: How often at most; None means without end.
        after: So many matching requests pass unharmed first.
        method: Only requests with this method.
        path_prefix: Only paths that begin so, e.g. ``/v3/groups``; without it all of /v3 but ping.
        path_suffix: Only paths that end so, e.g. ``/upsertplus``.
        seconds: How long ``latency`` and ``hang`` wait.
        code: The status of ``status``.
        retry_after: The value of its Retry-After header; None means no header.
        body: The body of ``status``: the API's JSON error, or a gateway's HTML.
        committed: Whether the request is applied before ``status``, ``reset`` or ``hang``.
        at: How many bytes of the body ``cut`` lets through, from the end when negative.
        items: How many items ``short_answer`` drops.
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

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(
                f"unknown fault {self.kind!r}: use one of {', '.join(get_args(FaultKind))}"
            )
        if not 0 < self.rate <= 1:
            raise ValueError(f"the rate of a fault lies above 0 and up to 1, not at {self.rate}")

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is one of those the fault is about."""
        if self.method not in {None, method} or not path.endswith(self.path_suffix):
            return False
        if self.path_prefix is not None:
            return path.startswith(self.path_prefix)
        return path.startswith("/v3/") and path not in SPARED


class Faults:
    """A set of faults with a seed: the same requests in the same order meet the same fate."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 1) -> None:
        self._random = Random(seed)
        self._faults = list(faults)
        self._seen = Counter[int]()
        self._done = Counter[int]()

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Let nothing go wrong from now on."""
        self._faults.clear()
        self._seen.clear()
        self._done.clear()

    @property
    def random(self) -> Random:
        """The generator, for what a fault leaves to chance."""
        return self._random

    def decide(self, method: str, path: str) -> tuple[float, Fault | None]:
        """What happens to a request: the seconds it waits, and the first other fault that strikes.

        Every matching fault draws its number whether it may strike or not, so that a limit on one
        fault does not change when the others strike.
        """
        wait, chosen = 0.0, None
        for index, fault in enumerate(self._faults):
            if not fault.matches(method, path):
                continue
            self._seen[index] += 1
            strikes = self._random.random() < fault.rate and self._seen[index] > fault.after
            spent = fault.times is not None and self._done[index] >= fault.times
            if not strikes or spent or (chosen is not None and fault.kind != "latency"):
                continue
            self._done[index] += 1
            if fault.kind == "latency":
                wait += fault.seconds
            else:
                chosen = fault
        return wait, chosen

    @classmethod
    def parse(cls, *specs: str, seed: int = 1) -> "Faults":
        """Faults from the words of a command line.

        ``429=5%`` answers that status to a twentieth of the requests, ``latency=200ms`` and
        ``hang=30s@1%`` take a duration and perhaps a rate, ``cut``, ``reset``, ``expire_token`` and
        ``short_answer`` a rate. A rate left out is 100 %. Options follow a colon:
        ``429=5%:retry-after=2``, ``502=2%:committed``, ``503:html``, ``reset=1%:times=3``.

        Raises:
            ValueError: A word is no fault.
        """
        return cls([parse_fault(spec) for spec in specs], seed=seed)


def parse_fault(spec: str) -> Fault:
    """One fault from one word of a command line; see :meth:`Faults.parse`.

    Raises:
        ValueError: The word is no fault.
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
            f"{spec!r} is no fault: use a status such as 429=5%, latency=200ms, hang=30s@1%,"
            " or cut, reset, expire_token, short_answer with a rate"
        )
    settings["rate"] = _rate(value, spec)
    for option in options:
        settings |= _option(option, spec)
    return Fault(**settings)  # type: ignore[arg-type]


_BAD_GATEWAY = 502


def _seconds(text: str, spec: str) -> float:
    """A duration such as 200ms or 1.5s."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{spec!r} needs a duration such as 200ms or 1.5s, not {text!r}")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _rate(text: str, spec: str) -> float:
    """A rate such as 5% or 0.05; nothing means always."""
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
            f"{spec!r} needs a rate above 0 and up to 100%, such as 5% or 0.05, not {text!r}"
        )
    return rate


def _option(option: str, spec: str) -> dict[str, object]:
    """The settings of one option."""
    name, _, value = option.strip().partition("=")
    match name:
        case "committed":
            return {"committed": True}
        case "html" | "json":
            return {"body": name}
        case "retry-after" if value:
            return {"retry_after": value}
        case "times" if value.isascii() and value.isdigit():
            return {"times": int(value)}
        case _:
            raise ValueError(
                f"{spec!r} has an unknown option {option!r}:"
                " use committed, html, json, retry-after=SECONDS or times=NUMBER"
            )
