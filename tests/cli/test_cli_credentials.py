"""Where credentials come from, and that they are never printed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import Result

from cleverreach_async import BearerToken, ClientCredentials, ConfigurationError
from cleverreach_async.cli.credentials import Access, find_access, read_env_file

Run = Callable[..., Result]

ID, SECRET, TOKEN = "CLEVERREACH_CLIENT_ID", "CLEVERREACH_CLIENT_SECRET", "CLEVERREACH_TOKEN"


def auth_of(access: Access) -> str:
    """The credentials as text."""
    auth = access.auth
    if isinstance(auth, BearerToken):
        return auth.token.reveal()
    assert isinstance(auth, ClientCredentials)
    return f"{auth.client.client_id}:{auth.client.client_secret.reveal()}"


@pytest.mark.parametrize(
    ("options", "environ", "lines", "expected"),
    [
        pytest.param({TOKEN: "a"}, {TOKEN: "b"}, f"{TOKEN}=c", "a", id="option"),
        pytest.param({}, {TOKEN: "b"}, f"{TOKEN}=c", "b", id="environment"),
        pytest.param({}, {}, f"{TOKEN}=c", "c", id="env-file"),
        pytest.param({TOKEN: None}, {TOKEN: " "}, f"{TOKEN}=c", "c", id="blank-is-none"),
        pytest.param({ID: "i"}, {SECRET: "s"}, "", "i:s", id="parts-from-two-places"),
        pytest.param({TOKEN: "a"}, {ID: "i", SECRET: "s"}, "", "a", id="token-by-option"),
        pytest.param({ID: "i", SECRET: "s"}, {TOKEN: "b"}, "", "i:s", id="app-by-option"),
        pytest.param({}, {ID: "i", SECRET: "s", TOKEN: "b"}, "", "b", id="both-in-one-place"),
        pytest.param({}, {ID: "i", TOKEN: "b"}, "", "b", id="half-an-app"),
        pytest.param({}, {ID: "i"}, f"{SECRET}=s\n{TOKEN}=c", "i:s", id="app-by-environment"),
    ],
)
def test_the_first_source_wins(
    workdir: Path,
    options: Mapping[str, str | None],
    environ: Mapping[str, str],
    lines: str,
    expected: str,
) -> None:
    """Options take precedence over the environment, and that over the env file."""
    (workdir / ".env").write_text(lines, "utf-8")

    assert expected == auth_of(find_access(options, environ, Path(".env")))


def test_an_env_file_is_read_only_when_named(workdir: Path) -> None:
    """A file that happens to be there must not decide which account is changed."""
    (workdir / ".env").write_text(f"{TOKEN}=c\n", "utf-8")

    with pytest.raises(ConfigurationError, match="no credentials"):
        find_access({}, {}, None)


@pytest.mark.parametrize(("given", "missing"), [(ID, SECRET), (SECRET, ID)])
def test_incomplete_credentials_are_reported(given: str, missing: str) -> None:
    """The message names what is missing, and does not show the other value."""
    with pytest.raises(ConfigurationError) as refused:
        find_access({}, {given: "wert-1"}, None)

    assert f"{given} is set, but {missing} is missing" == str(refused.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "https://rest.cleverreach.com"),
        ({"CLEVERREACH_BASE_URL": "http://127.0.0.1:8800"}, "http://127.0.0.1:8800"),
    ],
)
def test_the_base_url_has_a_default(given: Mapping[str, str], expected: str) -> None:
    """By default it is the vendor's server."""
    assert expected == find_access({}, {TOKEN: "t", **given}, None).base_url


def test_a_password_in_the_base_url_is_refused_and_not_shown() -> None:
    """The error says what to pass instead."""
    url = "https://proxy:geheim-5@api.example:8443/v3"

    with pytest.raises(ConfigurationError) as caught:
        find_access({}, {TOKEN: "t", "CLEVERREACH_BASE_URL": url}, None)

    assert "base_url contains a user or password; pass the server's root" == str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CLEVERREACH_TOKEN=abc", "abc"),
        ("export CLEVERREACH_TOKEN=abc", "abc"),
        ("export\tCLEVERREACH_TOKEN=abc\nexport CLEVERREACH_TOKEN", "abc"),
        ("  CLEVERREACH_TOKEN =  abc  ", "abc"),
        ("CLEVERREACH_TOKEN=abc # remark", "abc"),
        ("CLEVERREACH_TOKEN=abc#def", "abc#def"),
        ("CLEVERREACH_TOKEN=a=b==", "a=b=="),
        ("CLEVERREACH_TOKEN='a b # c'", "a b # c"),
        ("CLEVERREACH_TOKEN='abc' # remark", "abc"),
        (r'CLEVERREACH_TOKEN="a\"b\\c\d"', 'a"b\\c\\d'),
        ("CLEVERREACH_TOKEN=", ""),
        ("CLEVERREACH_TOKEN= # none", ""),
        ("\ufeffCLEVERREACH_TOKEN=abc\r", "abc"),
        ("CLEVERREACH_TOKEN=a\nCLEVERREACH_TOKEN=b", "b"),
    ],
)
def test_an_env_line_is_read_as_a_shell_would(workdir: Path, line: str, expected: str) -> None:
    """Quotes, comments, ``export``, and the last of two lines."""
    (workdir / "my.env").write_text(line, "utf-8", newline="")

    assert {"CLEVERREACH_TOKEN": expected} == read_env_file(Path("my.env"))


def test_other_env_lines_are_ignored(workdir: Path) -> None:
    """The file may contain variables of other programs."""
    (workdir / "my.env").write_text('# CLEVERREACH_TOKEN=x\nKEY="a\nb"\n\nTOKEN=1\nword', "utf-8")

    assert {} == read_env_file(Path("my.env"))


@pytest.mark.parametrize(
    "line",
    [
        "CLEVERREACH_TOKEN: geheim-7",
        "- CLEVERREACH_TOKEN: geheim-7",
        '"CLEVERREACH_TOKEN": "geheim-7",',
        "CLEVERREACH_TOKEN geheim-7",
        '$env:CLEVERREACH_TOKEN = "geheim-7"',
        "set CLEVERREACH_TOKEN=geheim-7",
    ],
)
def test_a_variable_in_another_form_is_reported(workdir: Path, line: str) -> None:
    """Without it another server could be used; the message does not show the value."""
    (workdir / "my.env").write_text(f"TOKEN=1\n{line}\n", "utf-8")

    with pytest.raises(ConfigurationError) as refused:
        read_env_file(Path("my.env"))

    assert "my.env, line 2: a variable is not of the form NAME=value" == str(refused.value)


def test_a_missing_quote_is_reported_without_the_value(workdir: Path) -> None:
    """The message names the line, and does not show it."""
    (workdir / "my.env").write_text('\nCLEVERREACH_TOKEN="geheim-7\n', "utf-8")

    with pytest.raises(ConfigurationError) as refused:
        read_env_file(Path("my.env"))

    assert "my.env, line 2: the closing quote of CLEVERREACH_TOKEN is missing" == str(refused.value)


@pytest.mark.parametrize("content", [None, b"CLEVERREACH_TOKEN=\xff\xfe"])
def test_an_env_file_that_cannot_be_read_is_reported(workdir: Path, content: bytes | None) -> None:
    """It is missing, or not text."""
    if content is not None:
        (workdir / "my.env").write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"my\.env: cannot read the env file"):
        read_env_file(Path("my.env"))


@pytest.mark.socket
def test_the_command_reads_an_env_file(
    run: Run, workdir: Path, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may contain all variables."""
    for name in (ID, SECRET, "CLEVERREACH_BASE_URL"):
        monkeypatch.delenv(name)
    (workdir / "my.env").write_text(
        f"{ID}=mia\n{SECRET}='geheim-123'\nCLEVERREACH_BASE_URL={account}\n", "utf-8"
    )

    result = run("whoami", "--env-file", "my.env")

    assert (0, "") == (result.exit_code, result.stderr)


@pytest.mark.socket
@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("command", [("groups",), ("whoami", "--json"), ("import", "k.csv")])
def test_secrets_are_in_no_output(run: Run, workdir: Path, command: tuple[str, ...]) -> None:
    """Neither on success nor if the secret is wrong."""
    (workdir / "k.csv").write_text("email\na@example.org\n", "utf-8")
    more = ("--group", "N", "--create") if command[0] == "import" else ()

    success = run(*command, *more)
    failure = run(*command, *more, "--client-secret", "falsch-999")

    assert [0, 1] == [success.exit_code, failure.exit_code]
    assert [] == [
        word for word in ("geheim-123", "falsch-999") if word in success.output + failure.output
    ]
