"""The code in ``docs/exporting.md`` runs."""

import re
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest
from support.accounts import an_account

from cleverreach_async import ReceiverInput, read_csv

pytestmark = pytest.mark.anyio

PAGE: Final = Path(__file__).parents[2] / "docs" / "exporting.md"


async def test_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exports a group, and finds it equal to the file."""
    monkeypatch.chdir(tmp_path)
    code = "".join(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
    async with an_account() as account:
        ada = ReceiverInput(email="ada@example.org", global_attributes={"firstname": "Ada"})
        await account.load([ada])
        names: dict[str, Any] = {"read_csv": read_csv}
        exec(f"async def run(cr, group_id):\n{textwrap.indent(code, '    ')}", names)  # noqa: S102
        await names["run"](account.client, account.group_id)
    assert ["ada@example.org Ada", "1 0", "True 0 0 0"] == capsys.readouterr().out.splitlines()
