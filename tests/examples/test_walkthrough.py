"""The walkthrough runs without an error."""

import pytest

from examples.walkthrough import main


@pytest.mark.anyio
async def test_the_walkthrough_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the results of its calls: every customer, both orders, the opt-in."""
    await main()

    printed = capsys.readouterr().out
    expected = [
        "token works for account 129000",
        "imported 3500 customers in 5 requests",
        "customer 7 has bought: Blue mug, Desk lamp",
        "not confirmed yet: new@visitor.example",
        "drafts: Spring sale",
        "unknown report: GET /reports/{report_id}: 404",
    ]
    assert [] == [line for line in expected if line not in printed], printed
