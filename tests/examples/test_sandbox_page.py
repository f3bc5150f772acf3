"""The tables of ``docs/sandbox.md`` name what there is."""

import re
from dataclasses import fields
from pathlib import Path

from cleverreach_async.cli.sandbox_command import SandboxOptions
from cleverreach_async.sandbox import Behaviour

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text("utf-8")


def test_the_switches_of_the_page() -> None:
    """Each exists, and every one about webhooks is there."""
    known = {it.name for it in fields(Behaviour)}
    rows = {*re.findall(r"^\| `([a-z_0-9]+)` \|", PAGE, re.MULTILINE)}
    kinds = {"latency", "status", "cut", "reset", "expire_token", "short_answer", "hang"}
    assert set() == rows - kinds - known
    assert set() == {it for it in known if "webhook" in it} - rows


def test_the_options_of_the_page() -> None:
    """Every option of the command is named."""
    options = {f"--{it.replace('_', '-')}" for it in SandboxOptions.__annotations__}
    named = {*re.findall(r"--[a-z][a-z-]+", PAGE)}
    assert options - {"--host", "--port"} == named - {"--host", "--port"}
