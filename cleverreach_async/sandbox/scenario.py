"""Scenarios: the arguments of a sandbox as a TOML file."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, ValidationError, convert, field
from msgspec.structs import fields

from .behaviour import Behaviour, as_text
from .faults import Fault, parse_fault
from .limits import AccountLimits, LimitOptions, Outage

T = TypeVar("T")
_PositiveInt = Annotated[int, Meta(ge=1)]
_PositiveFloat = Annotated[float, Meta(gt=0)]


class AccountScenario(Struct, kw_only=True, forbid_unknown_fields=True):
    """The arguments of one account, as :meth:`.Sandbox.add_account` takes them.

    Attributes:
        client_id: The id of its OAuth app.
        client_secret: The secret of the app.
        rate: The most requests per second.
        max_in_flight: The most requests at once.
        outages: Pairs of seconds since the start.
        retry_after: Whether a 429 for the rate says how long to wait.
        behaviour: How to act where the real API is undocumented.
    """

    client_id: str | None = None
    client_secret: str | None = None
    rate: _PositiveFloat | None = None
    max_in_flight: _PositiveInt | None = None
    outages: list[Outage] = field(default_factory=list[Outage])
    retry_after: bool = False
    behaviour: Behaviour | None = None

    def __repr__(self) -> str:
        """Return the name of the class: the arguments have a secret."""
        return f"{type(self).__name__}()"

    @property
    def limits(self) -> LimitOptions:
        """The limits as arguments."""
        return {
            "rate": self.rate,
            "max_in_flight": self.max_in_flight,
            "outages": self.outages,
            "retry_after": self.retry_after,
        }


class Scenario(AccountScenario, kw_only=True, forbid_unknown_fields=True):
    """The arguments of :class:`.Sandbox`, and of the accounts that it has besides.

    Attributes:
        path: The SQLite database, or ``:memory:``.
        token_lifetime: The lifetime of access tokens in seconds.
        seed: The seed of the faults.
        faults: The faults.
        accounts: Further accounts by name.
    """

    path: str = ":memory:"
    token_lifetime: _PositiveInt = 2_592_000
    seed: int = 1
    faults: list[Fault] = field(default_factory=list[Fault])
    accounts: dict[str, AccountScenario] = field(default_factory=dict[str, AccountScenario])


def read_scenario(path: str | Path) -> Scenario:
    """Read a scenario from a TOML file.

    Raises:
        ValueError: The file is not valid; the message names file and key.
        OSError: The file cannot be read.
    """
    file = Path(path)
    try:
        values = tomllib.loads(file.read_text("utf-8-sig"))
        return _scenario(values, file.parent)
    except UnicodeDecodeError:
        raise ValueError(f"{file}: this is not UTF-8 text, which TOML needs") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: this is not valid TOML: {error}") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _scenario(values: dict[str, Any], folder: Path) -> Scenario:
    """Make a scenario of the values of a file; a database is relative to the file."""
    accounts = _take(values, "accounts", dict[str, Any], "accounts", {})
    faults = _take(values, "faults", list[Any], "faults", [])
    behaviour = _behaviour(values, "")
    scenario = _checked(values, Scenario, "", "accounts", "faults", "behaviour")
    scenario.behaviour = behaviour
    scenario.faults = [_fault(fault, f"faults[{i}]") for i, fault in enumerate(faults)]
    scenario.accounts = {name: _account(it, f"accounts.{name}") for name, it in accounts.items()}
    if scenario.path != ":memory:":
        scenario.path = str(folder / scenario.path)
    return scenario


def _account(value: Any, where: str) -> AccountScenario:
    """Make the arguments of one account."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: use a table such as [{where}]")
    values = convert(value, dict[str, Any])
    behaviour = _behaviour(values, f"{where}.")
    account = _checked(values, AccountScenario, f"{where}.", "behaviour")
    account.behaviour = behaviour
    return account


def _take(values: dict[str, Any], name: str, kind: type[T], where: str, default: T) -> T:
    """Take a value of a type out of a table."""
    try:
        return convert(values.pop(name, default), kind)
    except ValidationError as error:
        raise ValueError(f"{where}: {_reason(error)}") from None


def _checked(values: Mapping[str, Any], kind: type[T], prefix: str, *taken: str) -> T:
    """Convert a table to a class, key by key, so that an error names the key."""
    known = {it.name: it for it in fields(kind)} if issubclass(kind, Struct) else {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(_unknown(f"{prefix}{name}", name, [*known.keys(), *taken]))
        try:
            converted = convert(value, known[name].type)
            if name == "outages":
                AccountLimits(lambda: 0.0, outages=converted)
        except ValidationError as error:
            raise ValueError(f"{prefix}{name}: {_reason(error)}") from None
        except ValueError as error:
            raise ValueError(f"{prefix}{name}: {error}") from None
    return convert(values, kind)


def _unknown(where: str, name: str, known: list[str]) -> str:
    """Say that a key is unknown, and which one is meant."""
    near = get_close_matches(name, known, 1) or sorted(set(known))
    return f"{where}: unknown key; did you mean {', '.join(near)}?"


def _reason(error: ValidationError) -> str:
    """Return what msgspec says, without its own notation of the place."""
    return str(error).partition(" - at ")[0].replace("`", "").replace("null", "nothing")


def _behaviour(values: dict[str, Any], prefix: str) -> Behaviour | None:
    """Take the table of the switches out of a table."""
    where = f"{prefix}behaviour"
    table = _take(values, "behaviour", dict[str, Any], where, {})
    for name, value in table.items():
        if not isinstance(value, str | int | list):
            raise ValueError(f"{where}.{name}: use text, a whole number, true, false or a list")
        try:
            Behaviour.parse(f"{name}={as_text(value)}")
        except ValueError as error:
            raise ValueError(f"{where}.{name}: {error}") from None
    specs = [f"{name}={as_text(value)}" for name, value in table.items()]
    return Behaviour.parse(*specs) if specs else None


def _fault(value: Any, where: str) -> Fault:
    """Make a fault of a text, as on the command line, or of a table with its fields."""
    try:
        return parse_fault(value) if isinstance(value, str) else _fault_of(value)
    except ValidationError as error:
        key = str(error).partition(" - at `$.")[2].rstrip("`")
        place = f"{where}: {key}" if key else where
        raise ValueError(f"{place}: {_reason(error)}") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _fault_of(value: Any) -> Fault:
    """Make a fault of a table."""
    if not isinstance(value, dict):
        raise ValueError('use text such as "429=5%", or a table such as {kind = "reset"}')
    known = Fault.__dataclass_fields__
    table = convert(value, dict[str, Any])
    if unknown := table.keys() - known.keys():
        raise ValueError(_unknown(min(unknown), min(unknown), [*known]))
    if table.get("kind") in {"latency", "hang"} and "seconds" not in table:
        raise ValueError(f"{table['kind']} needs seconds, such as seconds = 0.2")
    return convert(table, Fault)
