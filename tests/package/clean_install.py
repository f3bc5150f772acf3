"""Use the installed package in an environment that has no extra, or a single one.

``python -I tests/package/clean_install.py`` checks an installation without extras, and with the
name of an extra as its argument that what needs this extra works. It needs nothing but Python.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

EXTRAS = {
    "aiohttp": ("aiohttp",),
    "arrow": ("pyarrow",),
    "cli": ("filelock", "rich", "typer"),
    "excel": ("python_calamine",),
    "files": ("filelock",),
    "httpx2": ("httpx2", "httpcore2"),
    "postgres": ("psycopg",),
    "redis": ("redis",),
    "sandbox": ("starlette", "uvicorn"),
    "sql": ("sqlalchemy",),
    "webhooks": ("cryptography",),
}
"""The modules of each extra."""

ROWS = "email,firstname\nann@example.org,Ann\n"
SHEET = """<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
<row r="1"><c r="A1" t="inlineStr"><is><t>email</t></is></c></row>
<row r="2"><c r="A2" t="inlineStr"><is><t>ann@example.org</t></is></c></row>
</sheetData></worksheet>"""
WORKBOOK = {
    "[Content_Types].xml": """<Types
 xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>""",
    "_rels/.rels": """<Relationships
 xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
 Target="xl/workbook.xml"/></Relationships>""",
    "xl/workbook.xml": """<workbook
 xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
<sheets><sheet name="Customers" sheetId="1" r:id="r"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": """<Relationships
 xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
 Target="worksheets/sheet1.xml"/></Relationships>""",
    "xl/worksheets/sheet1.xml": SHEET,
}
"""The smallest workbook."""


def run_async(work: Callable[[], Any]) -> None:
    """Run a coroutine function."""
    import_module("anyio").run(work)


def check_bare() -> None:
    """Every public name can be used, a call and an import work, and no extra is loaded."""
    package = import_module("cleverreach_async")
    modules = {module for names in EXTRAS.values() for module in names}
    assert not modules & sys.modules.keys()
    for name in package.__all__:
        getattr(package, name)
    Path("customers.csv").write_text("email\nann@example.org\n", "utf-8")
    run_async(call_and_import)
    assert not modules & sys.modules.keys(), modules & sys.modules.keys()
    done = command("--version")
    assert done.returncode == 1, done.stderr
    assert "pip install 'cleverreach-async[cli]'" in done.stderr, done.stderr
    assert "pip install 'cleverreach-async[cli,sandbox]'" in command("demo").stderr


async def call_and_import() -> None:
    """Call a server that exists only in this process."""
    package, httpx = import_module("cleverreach_async"), import_module("httpx")

    def respond(request: Any) -> Any:
        is_batch = request.url.path.endswith("/upsertplus")
        answer = [{"id": 1, "email": "ann@example.org"}] if is_batch else []
        return httpx.Response(200, json=answer)

    transport = httpx.MockTransport(respond)
    async with (
        httpx.AsyncClient(transport=transport) as http_client,
        package.CleverReach("token", http_client=http_client) as cr,
    ):
        assert list(await cr.groups.list()) == []
        report = await cr.bulk.upsert(package.read_csv("customers.csv"), group_id=7)
        assert report.accepted == 1, report


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    script = Path(sysconfig.get_path("scripts")) / "cleverreach"
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(  # noqa: S603 - our own command
        [script, *words], capture_output=True, check=False, encoding="utf-8", env=environ
    )


def check_aiohttp() -> None:
    """A session is accepted as HTTP client."""

    async def use() -> None:
        aiohttp, package = import_module("aiohttp"), import_module("cleverreach_async")
        async with (
            aiohttp.ClientSession() as session,
            package.CleverReach("token", http_client=session),
        ):
            pass

    run_async(use)


def check_arrow() -> None:
    """A Parquet file is read."""
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    parquet.write_table(arrow.table({"email": ["ann@example.org"]}), "customers.parquet")
    check_rows(import_module("cleverreach_async").read_parquet("customers.parquet"))


def check_rows(rows: Any) -> None:
    """A source has the one row."""
    assert [row.receiver.email for row in rows] == ["ann@example.org"]


def check_cli() -> None:
    """A file is checked offline; the demo names the extra that it needs too."""
    Path("customers.csv").write_text(ROWS, "utf-8")
    done = command("import", "customers.csv", "--group", "N", "--create", "--dry-run")
    assert done.returncode == 0, done.stderr
    if find_spec("starlette") is None:
        demo = command("demo")
        assert demo.returncode == 1, demo.stderr
        assert "pip install 'cleverreach-async[sandbox]'" in demo.stderr, demo.stderr


def check_excel() -> None:
    """A workbook is read."""
    with zipfile.ZipFile("customers.xlsx", "w") as archive:
        for name, text in WORKBOOK.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}')
    check_rows(import_module("cleverreach_async").read_excel("customers.xlsx"))


def check_files() -> None:
    """A token is stored in a file and found there."""
    package = import_module("cleverreach_async")

    async def use() -> None:
        store = package.FileTokenStore("token.json")
        await store.save(package.Token(access_token="a", expires_at=None))
        assert (await store.load()).access_token.reveal() == "a"

    run_async(use)


def check_httpx2() -> None:
    """The switch replaces httpx and httpcore."""
    os.environ["CLEVERREACH_HTTP_LIBRARY"] = "httpx2"

    async def use() -> None:
        async with import_module("cleverreach_async").CleverReach("token"):
            pass

    run_async(use)
    assert "httpcore2" in sys.modules
    assert "httpcore" not in sys.modules


def check_postgres() -> None:
    """An outbox is made; it connects when it is used."""
    import_module("cleverreach_async").PostgresOutbox("postgresql://user@localhost/shop")


def check_redis() -> None:
    """A token store is made over a client; it connects when it is used."""
    client = import_module("redis.asyncio").Redis()
    import_module("cleverreach_async").RedisTokenStore(client, "token")


def check_sandbox() -> None:
    """A group is created in a sandbox in this process."""
    package, sandbox = (
        import_module("cleverreach_async"),
        import_module("cleverreach_async.sandbox"),
    )
    httpx = import_module("httpx")

    async def use() -> None:
        with sandbox.Sandbox() as server:
            transport = httpx.ASGITransport(app=server.app)
            auth = package.OAuthApp("sandbox", "sandbox-secret").client_credentials()
            async with (
                httpx.AsyncClient(transport=transport) as http_client,
                package.CleverReach(auth, http_client=http_client) as cr,
            ):
                assert (await cr.groups.create(name="Newsletter")).name == "Newsletter"

    run_async(use)


def check_sql() -> None:
    """A journal finds nothing in an empty database."""
    engine = import_module("sqlalchemy").create_engine("sqlite:///journals.sqlite")

    async def use() -> None:
        assert (
            await import_module("cleverreach_async").SqlJournal(engine, "customers").load() is None
        )

    run_async(use)


def check_webhooks() -> None:
    """What decrypts addresses works."""
    decrypt = import_module("cleverreach_async.webhooks.encryption").load_aes()
    assert decrypt is not None
    assert len(decrypt(b"k" * 32, b"i" * 16, b"d" * 16)) == 16


def check_all() -> None:
    """The first command of the README ends with status 0 in an empty folder."""
    done = command("demo")
    assert done.returncode == 0, done.stderr
    assert "lists all commands" in done.stderr, done.stderr


def check(extra: str) -> None:
    """Check an extra, ``bare`` or ``all``, and that the modules of others are not there."""
    package = import_module("cleverreach_async")
    home = str(package.__file__)
    assert Path(home).is_relative_to(sys.prefix), f"not installed: {home}"
    installed = {name for name, modules in EXTRAS.items() if all(map(find_spec, modules))}
    expected = {"bare": set[str](), "all": {*EXTRAS}}.get(extra, {extra})
    assert installed - expected <= ({"files"} if extra == "cli" else set()), installed
    globals()[f"check_{extra}"]()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        for name in sys.argv[1:] or ["bare"]:
            check(name)
        os.chdir("/")
