"""Masking: messages of the library contain no e-mail addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.transport.redaction import mask_emails

MASKED: dict[str, tuple[str, str]] = {
    "plain": ("no ann@mail.example here", "no <e-mail> here"),
    "plus and dots": ("a.n+n@sub.mail.example", "<e-mail>"),
    "umlaut": ("ünn@mäil.example", "<e-mail>"),
    "apostrophe": ("o'ann@mail.example", "o'<e-mail>"),
    "nothing but an apostrophe": ("'@mail.example", "'<e-mail>"),
    "in quotes": ("'ann@mail.example'", "'<e-mail>'"),
    "in brackets": ("<ann@mail.example>", "<<e-mail>>"),
    "in JSON": ('{"email":"ann@mail.example"}', '{"email":"<e-mail>"}'),
    "several": ("a@b.example,c@d.example", "<e-mail>,<e-mail>"),
    "percent-encoded": ("GET /ann%40mail.example", "GET <e-mail>"),
    "quoted text that is not an address": (
        "invalid address 'ann at home'",
        "invalid address <hidden>",
    ),
    "quoted twice": ('Address "x y"', "Address <hidden>"),
    "quoted empty": ("invalid address ''", "invalid address <hidden>"),
    "nothing to hide": ("Not Found: invalid receiver", "Not Found: invalid receiver"),
    "the example of our messages": ("such as name@example.org", "such as name@example.org"),
    "an address like it": ("xname@example.org", "<e-mail>"),
    "a lone sign": ("at @ all", "at @ all"),
}


@pytest.mark.parametrize(("text", "expected"), MASKED.values(), ids=MASKED.keys())
def test_masks(text: str, expected: str) -> None:
    """Addresses are masked, the sentence stays."""
    assert expected == mask_emails(text)


@given(st.emails(), st.text(max_size=20), st.text(max_size=20))
def test_no_address_survives(email: str, before: str, after: str) -> None:
    """The domain of an address is masked, whatever is around it."""
    assert email not in mask_emails(f"{before} {email} {after}")
