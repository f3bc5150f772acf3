"""Scenarios as TOML files."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async.sandbox import Behaviour, Fault, Sandbox

WHOLE = """
path = "data.db"
client_id = "shop"
client_secret = "invented"
token_lifetime = 60
seed = 7
rate = 20
max_in_flight = 4
retry_after = true
outages = [[10, 30], [60, 90.5]]
faults = [
    "429=5%:retry-after=2",
    { kind = "latency", seconds = 0.2, path_prefix = "/v3/groups", account = "shop-42" },
]

[behaviour]
put_tags = "replace"
webhook_retries = [5, 30]
agency = false
contact_limit = 7

[accounts.shop-42]
rate = 0.5

[accounts.shop-43]
client_id = "other"

[accounts.shop-43.behaviour]
error_shape = "flat"
"""


def written(folder: Path, text: str) -> Path:
    """A file with a text."""
    file = folder / "scenario.toml"
    file.write_text(text, "utf-8")
    return file


def test_everything_that_a_sandbox_takes(tmp_path: Path) -> None:
    """The names and the values are those of the arguments; a database is beside the file."""
    file = written(tmp_path, WHOLE)
    with Sandbox.from_toml(file) as sandbox:
        limits = sandbox.limits
        assert ("shop", "invented", 60) == (
            sandbox.client_id,
            sandbox.client_secret,
            sandbox.account.token_lifetime,
        )
        expected = (20.0, 4, ((10.0, 30.0), (60.0, 90.5)), True)
        assert expected == (
            limits.rate,
            limits.max_in_flight,
            limits.outages,
            limits.retry_after,
        )
        assert (
            Fault("status", code=429, rate=0.05, retry_after="2"),
            Fault("latency", seconds=0.2, path_prefix="/v3/groups", account="shop-42"),
        ) == sandbox.faults.current
        switched = Behaviour(
            put_tags="replace", webhook_retries=(5, 30), agency=False, contact_limit=7
        )
        assert switched == sandbox.behaviour
        slow, other = sandbox.accounts["shop-42"], sandbox.accounts["shop-43"]
        assert (0.5, switched) == (slow.limits.rate, slow.behaviour)
        assert ("other", Behaviour(error_shape="flat")) == (other.client_id, other.behaviour)
    assert (tmp_path / "data.db").exists()


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    """What is not named is as without a file."""
    with Sandbox.from_toml(written(tmp_path, "")) as sandbox, Sandbox() as default:
        assert (default.client_id, default.client_secret) == (
            sandbox.client_id,
            sandbox.client_secret,
        )
        assert default.behaviour == sandbox.behaviour
        assert default.account.token_lifetime == sandbox.account.token_lifetime
        assert not sandbox.limits.are_set


def test_every_switch_can_be_written(tmp_path: Path) -> None:
    """With its default, as TOML writes it."""
    lines = ["[behaviour]"]
    for it in fields(Behaviour):
        default: Any = "none" if it.default is None else it.default
        lines.append(f"{it.name} = {json.dumps(default)}")
    with Sandbox.from_toml(written(tmp_path, "\n".join(lines))) as sandbox:
        assert Behaviour() == sandbox.behaviour


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rate = ", "this is not valid TOML: Invalid value (at end of document)"),
        ("raet = 1", "raet: unknown key; did you mean rate?"),
        ("behavior = 1", "behavior: unknown key; did you mean behaviour?"),
        ("rate = 'x'", "rate: Expected float"),
        ("rate = 0", "rate: Expected float > 0.0"),
        ("max_in_flight = 1.5", "max_in_flight: Expected int"),
        ("token_lifetime = 0", "token_lifetime: Expected int >= 1"),
        ("outages = [[30, 10]]", "outages: An outage must end after its start, not 30:10"),
        ("[accounts.a]\noutages = [[3, 1]]", "accounts.a.outages: An outage must end after"),
        ("outages = [30, 10]", "outages: Expected array"),
        ("faults = '429=5%'", "faults: Expected array, got str"),
        ("faults = ['reset', 'nonsense']", "faults[1]: Unknown fault 'nonsense'"),
        ("faults = [1]", "faults[0]: use text"),
        (
            "faults = [{kind = 'reset', tims = 1}]",
            "faults[0]: tims: unknown key; did you mean times",
        ),
        ("faults = [{kind = 'reset', times = 'x'}]", "faults[0]: times: Expected int"),
        ("faults = [{kind = 'reset', rate = 2}]", "faults[0]: The rate of a fault must be"),
        ("faults = [{kind = 'x'}]", "faults[0]: kind: Invalid enum value 'x'"),
        ("faults = [{kind = 'latency'}]", "faults[0]: latency needs seconds"),
        ("faults = [{kind = 'hang', seconds = -1}]", "faults[0]: The seconds of a fault must"),
        ("faults = [{kind = 'status', code = 100}]", "faults[0]: The code of a fault must"),
        ("faults = [{kind = 'reset', method = 'post'}]", "faults[0]: A method is in capitals"),
        ("faults = [{kind = 'reset', path_prefix = 'v3'}]", "faults[0]: A path prefix begins"),
        ("faults = ['429:account=shp']\n[accounts.shop]", "There is no account 'shp' for a fault"),
        ("behaviour = 1", "behaviour: Expected object, got int"),
        (
            "[behaviour]\nput_tag = 'add'",
            "behaviour.put_tag: Unknown switch 'put_tag': did you mean put_tags",
        ),
        ("[behaviour]\nput_tags = 'x'", "behaviour.put_tags: Switch put_tags needs add, replace"),
        ("[behaviour]\nmax_rows = 1.5", "behaviour.max_rows: use text, a whole number"),
        ("[accounts.a]\nrte = 1", "accounts.a.rte: unknown key; did you mean rate?"),
        ("[accounts.a]\nseed = 1", "accounts.a.seed: unknown key"),
        (
            "[accounts.a.behaviour]\nagency = 'x'",
            "accounts.a.behaviour.agency: Switch agency needs",
        ),
        ("[accounts]\na = 1", "accounts.a: use a table such as [accounts.a]"),
        ("[accounts.main]", "There is an account 'main' already"),
        ("[accounts.a]\nclient_id = 'sandbox'", "There is an OAuth app 'sandbox' already"),
    ],
)
def test_files_that_are_not_valid(tmp_path: Path, text: str, reason: str) -> None:
    """The error names the file and the key."""
    file = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"scenario\.toml: ") as error:
        Sandbox.from_toml(file)
    assert str(error.value).startswith(f"{file}: {reason}")


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    file = tmp_path / "scenario.toml"
    file.write_bytes(b"\xef\xbb\xbfrate = 5\r\n")
    with Sandbox.from_toml(file) as sandbox:
        assert 5 == sandbox.limits.rate


def test_another_encoding_is_named(tmp_path: Path) -> None:
    """The error says what is wrong with the file, not which byte."""
    file = tmp_path / "scenario.toml"
    file.write_bytes("rate = 5".encode("utf-16"))
    with pytest.raises(ValueError, match=r"scenario\.toml: this is not UTF-8 text"):
        Sandbox.from_toml(file)


def test_faults_of_accounts_that_come_later(tmp_path: Path) -> None:
    """A customer's account, whose name is a number, and one that the file of the data has."""
    with Sandbox(str(tmp_path / "data.db")) as sandbox:
        sandbox.add_account("stored")
    text = "path = 'data.db'\nfaults = ['429:account=129002', '429:account=stored']"
    with Sandbox.from_toml(written(tmp_path, text)) as sandbox:
        assert ["129002", "stored"] == [it.account for it in sandbox.faults.current]


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"refused_plus_row": "strings"}, "refused_plus_row needs omit, string, object, not"),
        ({"duplicate_status": "409"}, "duplicate_status needs 400, 409, not '409'"),
        ({"agency": "no"}, "agency needs True or False, not 'no'"),
        ({"max_rows": "10"}, "max_rows needs a whole number, not '10'"),
        ({"contact_limit": -1}, "contact_limit needs a whole number or None, not -1"),
        ({"webhook_retries": 5}, "webhook_retries needs a tuple, each item a whole number, not 5"),
        ({"webhook_content_type": None}, "webhook_content_type needs a text, not None"),
    ],
)
def test_switches_in_a_program(switches: dict[str, Any], reason: str) -> None:
    """A value that a switch does not know is refused, and never taken for another one."""
    with pytest.raises(ValueError, match=re.escape(f"Switch {reason}")):
        Behaviour(**switches)
