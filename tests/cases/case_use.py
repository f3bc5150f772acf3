"""Everyday use: the right account, the user's own files, and screens that tell the truth."""

import logging
import os
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import httpx
from cases.registry import case
from support.accounts import Account, an_account
from support.virtual_time import VirtualClock
from typer.testing import CliRunner

from cleverreach_async import (
    APIStatusError,
    CleverReach,
    ConfigurationError,
    ImportProgress,
    OAuthApp,
    ReceiverInput,
)
from cleverreach_async.cli.app import app
from cleverreach_async.sandbox import Fault

ANN = "ann@example.org"
LOCAL = "http://127.0.0.1:8801"
APP = OAuthApp("sandbox", "sandbox-secret", base_url=LOCAL)

# base_url_mismatch: where the secret goes.


async def asked_by(make: Callable[[httpx.AsyncClient], CleverReach]) -> list[str]:
    """List groups, and return the URLs that were requested."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        is_token = request.url.path.startswith("/oauth")
        return httpx.Response(200, json={"access_token": "t", "expires_in": 99} if is_token else [])

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client,
        make(http_client) as cr,
    ):
        await cr.groups.list()
    return asked


OF_LOCAL = [f"{LOCAL}/oauth/token.php", f"{LOCAL}/v3/groups"]


@case("base_url_mismatch", "everything goes to the app's server", OF_LOCAL)
async def _(account: Account) -> Any:
    del account
    auth = APP.client_credentials()
    return await asked_by(lambda http_client: CleverReach(auth, http_client=http_client))


@case("base_url_mismatch, two servers", "refused, both are named", [True, True, "base_url="])
async def _(account: Account) -> Any:
    del account
    other = "https://rest.cleverreach.com"
    try:
        CleverReach(APP.client_credentials(), base_url=other)
    except ConfigurationError as error:
        text = str(error)
        return [LOCAL in text, other in text, "base_url=" if "base_url=" in text else text]
    return "made"


@case("base_url_mismatch, environment", "from_env() reads CLEVERREACH_BASE_URL", OF_LOCAL)
async def _(account: Account) -> Any:
    del account
    variables = {"BASE_URL": LOCAL, "CLIENT_ID": "sandbox", "CLIENT_SECRET": "sandbox-secret"}
    with environment({f"CLEVERREACH_{name}": value for name, value in variables.items()}):
        return await asked_by(lambda http_client: CleverReach.from_env(http_client=http_client))


@contextmanager
def environment(variables: dict[str, str]) -> Generator[None]:
    """Set these variables, and no other ones of ours."""
    others = {name: it for name, it in os.environ.items() if not name.startswith("CLEVERREACH_")}
    with patch.dict(os.environ, {**others, **variables}, clear=True):
        yield


# paused_flag: a pause is shown for as long as it takes.

for _concurrency in (1, 2):

    @case(
        f"paused_flag, {_concurrency} at once",
        "paused for the 3 seconds that the server asks for, once",
        ([False, True, False], "3 to 5 s", 1, 12_000),
    )
    async def _(account: Account, concurrency: int = _concurrency) -> Any:
        del account
        clock = VirtualClock()
        events: list[tuple[bool, float]] = []

        def note(progress: ImportProgress) -> None:
            if not events or events[-1][0] != progress.paused:
                events.append((progress.paused, clock.elapsed))

        async with an_account(clock) as busy, clock.flowing():

            async def rows() -> AsyncIterator[dict[str, str]]:
                for number in range(12_000):
                    if number == 6_000:
                        fault = Fault("status", code=429, retry_after=3, times=1)
                        busy.sandbox.faults.add(fault)
                    yield {"email": f"a{number}@example.org"}

            report = await busy.client.bulk.upsert(
                rows(), group_id=busy.group_id, concurrency=concurrency, on_progress=note
            )
        paused = events[2][1] - events[1][1] if len(events) > 2 else 0.0
        seconds = "3 to 5 s" if 3 <= paused < 5 else f"{paused} s"
        return [is_paused for is_paused, _ in events], seconds, report.pauses, report.accepted


# rejects_lost: a repaired rejects file is the user's work.

REPAIRED = "repaired@example.org"


@case(
    "rejects_lost",
    "the repaired file survives a dry run, and a clean import of another file",
    {"repaired": True, "after --dry-run": True, "after another file": True},
)
def _() -> Any:
    with a_folder() as folder:
        rejects = folder / "a.rejects.jsonl"
        (folder / "a.csv").write_text("E-Mail\nok@example.org\nbroken.example.org\n", "utf-8")
        (folder / "b.csv").write_text("E-Mail\nfine@example.org\n", "utf-8")
        run_import("a.csv")
        repaired = rejects.read_text("utf-8").replace("broken.example.org", REPAIRED)
        rejects.write_text(repaired, "utf-8")
        found = {"repaired": REPAIRED in repaired}
        run_import("a.csv", "--dry-run")
        found["after --dry-run"] = rejects.read_text("utf-8") == repaired
        run_import("b.csv")
        found["after another file"] = rejects.exists() and rejects.read_text("utf-8") == repaired
        return found


@contextmanager
def a_folder() -> Generator[Path]:
    """Work in an empty folder, which is the home too."""
    with (
        TemporaryDirectory() as folder,
        environment({"HOME": folder, "USERPROFILE": folder, "XDG_CONFIG_HOME": folder}),
        chdir(folder),
    ):
        yield Path(folder)


def run_import(*words: str) -> None:
    """Run the command against a sandbox of its own."""
    CliRunner().invoke(app, ["import", *words, "--group", "G", "--create", "--sandbox"])


# silent_attributes: values of attributes that the account lacks.


@case(
    "silent_attributes, one receiver",
    "a warning names the attribute, without its value",
    ["Firstname", False],
)
async def _(account: Account) -> Any:
    warnings = Warnings()
    logger = logging.getLogger("cleverreach_async")
    logger.addHandler(warnings)
    try:
        row = ReceiverInput(ANN, global_attributes={"Firstname": "Bruce"})
        await account.client.receivers.upsert(row, group_id=account.group_id)
    finally:
        logger.removeHandler(warnings)
    text = "".join(warnings.texts)
    return ["Firstname" if "Firstname" in text else text, "Bruce" in text]


class Warnings(logging.Handler):
    """Keeps the texts of warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.texts.append(record.getMessage())


@case("silent_attributes, name", "the name that the server gave is returned", "first_name")
async def _(account: Account) -> Any:
    return (await account.client.attributes.create(name="First Name", type="text")).name


# guide_doi: somebody signs up twice.


@case(
    "guide_doi, again",
    "an error of its own, which says how to go on",
    ["DuplicateReceiverError", True, True, False],
)
async def _(account: Account) -> Any:
    receiver = ReceiverInput(ANN, registered=1_767_225_600, activated=0)
    await account.client.receivers.create(receiver, group_id=account.group_id)
    try:
        await account.client.receivers.create(receiver, group_id=account.group_id)
    except APIStatusError as error:
        text = str(error)
        return [type(error).__name__, "receivers.get()" in text, "upsert()" in text, ANN in text]
    return "created twice"
