"""The walkthrough runs from its first line to its last."""

import pytest

from examples.walkthrough import main


@pytest.mark.anyio
async def test_the_walkthrough_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints is what the calls brought: every customer, both orders, the one opt-in."""
    await main()

    printed = capsys.readouterr().out
    expected = [
        "token works for account 129000",
        "imported 3500 customers in 5 requests",
        "customer 7 has bought: Blue mug, Desk lamp",
        "waiting for their confirmation: new@visitor.example",
        "drafts: Spring sale",
        "no such report: GET /reports/{report_id}: 404",
    ]
    assert [] == [line for line in expected if line not in printed], printed
