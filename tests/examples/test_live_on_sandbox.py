"""The tests for a real account run against the sandbox, and are skipped without a token."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live.probes import PROBES

from cleverreach_async.sandbox import Behaviour, Sandbox
from cleverreach_async.sandbox.server import running

ROOT = Path(__file__).parents[2]


def run_live(**environ: str) -> str:
    """Run the tests in a process; returns what they print."""
    names = [name for name in os.environ if name.startswith("CLEVERREACH_")]
    clean = {name: value for name, value in os.environ.items() if name not in names}
    words = ["-m", "pytest", "tests/live", "-q", "-rs", "-p", "no:cacheprovider", "-n0"]
    done = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, *words],
        capture_output=True,
        check=False,
        cwd=ROOT,
        encoding="utf-8",
        env={**clean, "PYTEST_ADDOPTS": "", "COLUMNS": "200", **environ},
        timeout=120,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_without_a_token_they_are_skipped_visibly() -> None:
    """The reason says what to set."""
    assert "set CLEVERREACH_LIVE_TOKEN to ask a real account" in run_live()


@pytest.mark.socket
def test_every_question_is_answered() -> None:
    """The answers are those of the sandbox, and nothing is left behind."""
    with Sandbox(behaviour=Behaviour(activated_reactivates=True)) as sandbox:
        token = sandbox.add_token()
        with running(sandbox) as url:
            printed = run_live(CLEVERREACH_LIVE_TOKEN=token, CLEVERREACH_BASE_URL=url)
        groups = sandbox.store.value("SELECT count(*) FROM recipient_groups")

    answers = printed.partition("learned from the account")[2]
    assert [] == [question for question in PROBES if question not in answers]
    assert "5, +1, -2 give '4'" in answers
    assert "unsubscribed, then activated" in answers
    assert "active False becomes True" in answers
    assert 0 == groups
