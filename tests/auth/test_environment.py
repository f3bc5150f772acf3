"""``CleverReach.from_env()``: what the command reads of the environment."""

import pytest

from cleverreach_async import CleverReach, ConfigurationError

ID, SECRET, TOKEN = "CLEVERREACH_CLIENT_ID", "CLEVERREACH_CLIENT_SECRET", "CLEVERREACH_TOKEN"
BASE_URL = "CLEVERREACH_BASE_URL"
SANDBOX = "http://127.0.0.1:8801"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ID, SECRET, TOKEN, BASE_URL):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("given", [{ID: "i", SECRET: "s"}, {TOKEN: "t"}, {TOKEN: "t", ID: "i"}])
def test_credentials_and_server_are_read(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    """With or without a server; other options are passed on."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert "https://rest.cleverreach.com" in repr(CleverReach.from_env(timeout=5))

    monkeypatch.setenv(BASE_URL, f"{SANDBOX}/v3")
    assert f"<CleverReach {SANDBOX} unopened>" == repr(CleverReach.from_env())
    with pytest.raises(ConfigurationError, match="timeout is -1"):
        CleverReach.from_env(timeout=-1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, f"no credentials: set {ID} and {SECRET}, or {TOKEN}"),
        ({ID: "i"}, f"{ID} is set, but {SECRET} is missing"),
        ({SECRET: "s", ID: " "}, f"{SECRET} is set, but {ID} is missing"),
        ({TOKEN: "t", BASE_URL: "rest.cleverreach.com"}, "base_url is 'rest.cleverreach.com'"),
    ],
)
def test_a_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], message: str
) -> None:
    """The message does not speak of options of the command."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=message) as raised:
        CleverReach.from_env()
    assert "--" not in f"{raised.value}"
