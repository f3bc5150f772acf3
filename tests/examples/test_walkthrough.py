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
        "authorised",
        "sign-up: mailed",
        "webhook: customer9@shop.example is inactive",
        "delivered 3400, opened 1200",
        "unknown report: GET /reports/{report_id}: 404",
        "exported 3501 receivers",
        "compared: 0 missing, 0 different, 1 that the shop does not have",
    ]
    assert [] == [line for line in expected if line not in printed], printed
