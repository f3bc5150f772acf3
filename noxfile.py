"""The tasks of the project: what continuous integration runs, and what developers run by hand.

``uv run --extra all nox --list`` shows them; without arguments nox runs those of continuous
integration. All sessions but ``engines`` use uv's environment, so nothing is installed twice.
Arguments after ``--`` go to the tool: ``uv run --extra all nox -s tests -- tests/bulk -x``.
"""

import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "readme", "docs", "coverage", "fuzz", "httpx2", "engines"]

# Tests start hundreds of Python processes, each of which would compile every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parent
NO_TIME_LIMIT = "faulthandler_timeout=0"
HUNTING = ("--hypothesis-profile=hunt", "-o", NO_TIME_LIMIT)
MUTATION = ROOT / ".mutation"
TESTS_OF_LAYER = {
    "transport": ["tests/wire", "tests/http", "tests/engine", "tests/auth"],
    "auth": ["tests/auth"],
    "bulk": ["tests/bulk"],
}
"""The folders that ``mutate`` runs for a change in a layer."""
UV = ROOT / ".ci" / "uv"
PYTHONS = ("3.11", "3.12", "3.13")
"""The versions that the package is installed on."""
FAST_TESTS = (
    *("files", "http", "sources", "surface/test_public_names.py", "webhooks", "wire"),
    *("cli/test_cli_demo.py", "cli/test_cli_import.py", "cli/test_cli_options.py"),
    *("cli/test_cli_rejects_file.py", "resources/test_debug.py", "resources/test_groups.py"),
)
"""The tests that ``lowest`` runs: those that use the libraries of others most."""
ENGINES = {"dlt", "ray", "spark"}
"""Extras of pipelines, which take a gigabyte and have an environment of their own."""
SOME_ROWS_REJECTED = 2
"""Exit status of the README's import: the example file has rows that are broken on purpose."""


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and spelling."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict, and that users see a type everywhere."""
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "cleverreach_async", "--ignoreexternal", silent=True)


@nox.session
def readme(session: nox.Session) -> None:
    """Run the README's import as printed there."""
    run_line_of_readme(session, ending="--sandbox", success_codes=[SOME_ROWS_REJECTED])


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site of the documentation, every warning an error, and check all its links."""
    site = ROOT / ".site"
    shutil.rmtree(site, ignore_errors=True)
    options = ("--fail-on-warning", "--nitpicky", "--keep-going", "--quiet", "--jobs=2")
    session.run("python", "-m", "sphinx", *options, "-b", "html", "docs", str(site))
    session.run("python", "docs/check_site.py", str(site))


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the README's tests as printed there, and measure their branch coverage.

    Two at a time: many tests wait for a process that they have started.
    """
    run_line_of_readme(
        session, ending="pytest", PYTEST_ADDOPTS="--cov --numprocesses=2 --dist=worksteal"
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run tests: all of them, or what is named after ``--``."""
    session.run("pytest", *session.posargs)


@nox.session
def kill(session: nox.Session) -> None:
    """Run the tests that kill processes; ``-s`` shows how many rows were sent again."""
    fifty = {"KILLS": "50"}
    session.run("pytest", "-s", "-o", NO_TIME_LIMIT, "tests/kill", *session.posargs, env=fifty)


@nox.session
def outbox(session: nox.Session) -> None:
    """Kill the processes of an outbox: 1,000 orders, 24 kills, an outage of 5 s; prints figures."""
    session.run("pytest", "-s", "tests/kill/test_kill_outbox.py", env={"LONG_OUTBOX": "1"})


@nox.session(venv_backend="uv|virtualenv")
def engines(session: nox.Session) -> None:
    """Kill workers of dlt, Ray and Spark; ``-- long`` loads 40,000 rows and kills three workers.

    The engines are large, so they have an environment of their own.
    """
    started = time.monotonic()
    package = ".[arrow,cli,dlt,ray,sandbox,spark,sql]"
    try:
        session.install("-e", package, "--group", "tests")
    except CommandFailed:
        session.skip("the engines cannot be installed here")
    session.log(f"installed in {time.monotonic() - started:.0f} s")
    is_long = session.posargs[:1] == ["long"]
    arguments = session.posargs[1:] if is_long else session.posargs
    files = ["tests/engines", "tests/integrations", "tests/examples/test_pipelines_page.py"]
    options = ["-s", "-rs", "-o", NO_TIME_LIMIT, "-o", "filterwarnings=default"]
    # Ray would start its workers by the same `uv run`, in another environment.
    env = {"ENGINES": "long" if is_long else "short", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    session.run("pytest", *options, *files, *arguments, env=env)


@nox.session
def hunt(session: nox.Session) -> None:
    """Search for failures with many random examples; ``-- 20`` runs twenty rounds."""
    for _ in range(int(session.posargs[0]) if session.posargs else 5):
        session.run("pytest", *HUNTING, "-m", "hypothesis")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Send random hostile answers to every method for two minutes; ``-- 600`` for ten."""
    seconds = session.posargs[0] if session.posargs else "120"
    session.run("pytest", "-o", NO_TIME_LIMIT, "tests/fuzz", env={"FUZZ_SECONDS": seconds})


@nox.session
def mutate(session: nox.Session) -> None:
    """Change the code in small ways, and list the changes that no test notices.

    ``-- transport/gate.py auth`` names files and folders of the package; all of them take hours.
    Each is changed in a copy, ``.mutation``, and tested by the folders of its layer.
    """
    for target in session.posargs or [*TESTS_OF_LAYER]:
        layer = target.partition("/")[0]
        pattern = target if target.endswith(".py") else f"{target}/*"
        settings = {
            "source_paths": ["cleverreach_async"],
            "only_mutate": [f"cleverreach_async/{pattern}"],
            "pytest_add_cli_args": ["-p", "no:randomly", "-q"],
            "pytest_add_cli_args_test_selection": TESTS_OF_LAYER[layer],
            "also_copy": ["examples", "benchmarks", "README.md"],
        }
        shutil.rmtree(MUTATION, ignore_errors=True)
        for folder in ("cleverreach_async", "tests", "examples", "benchmarks"):
            shutil.copytree(ROOT / folder, MUTATION / folder)
        shutil.copy(ROOT / "README.md", MUTATION)
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        table = "\n".join(["", "[tool.mutmut]", *lines, ""])
        config = (ROOT / "pyproject.toml").read_text("utf-8") + table
        (MUTATION / "pyproject.toml").write_text(config, "utf-8")
        with session.chdir(MUTATION):
            session.run("mutmut", "run")
            session.run("mutmut", "results")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure everything; ``benchmarks/README.md`` explains the options and the figures."""
    session.run("python", "-m", "benchmarks", *(session.posargs or ["all"]))


@nox.session
def shared(session: nox.Session) -> None:
    """Measure several processes of one account; ``-- --tiny`` takes a few seconds."""
    session.run("python", "-m", "benchmarks.shared_account", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build the package, and use it in clean environments: bare, with each extra, and with all.

    On each version of Python; ``-- 3.11`` names those to use, and one that is missing is skipped.
    ``-- short`` leaves out the extras one by one.
    """
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    uv(session, "build", "--quiet", "--out-dir", str(dist))
    session.run("python", "tests/package/archives.py", str(dist))
    [wheel] = dist.glob("*.whl")
    is_short = "short" in session.posargs
    versions = [word for word in session.posargs if word != "short"] or PYTHONS
    interpreters = {version: interpreter(session, version) for version in versions}
    for version, python in interpreters.items():
        if python is not None:
            use_on(session, python, wheel, version, is_short=is_short)
    missing = [version for version, python in interpreters.items() if python is None]
    if missing:
        session.skip(f"not installed here: Python {', '.join(missing)}")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run fast tests with the oldest versions of all libraries that ``pyproject.toml`` allows."""
    venv = Path(session.create_tmp()) / "lowest"
    oldest = interpreter(session, PYTHONS[0])
    if oldest is None:
        session.skip(f"not installed here: Python {PYTHONS[0]}")
    uv(session, "venv", "--quiet", "--clear", "--python", oldest, str(venv))
    extras = ",".join(extras_of_package())
    lowest = ("--quiet", "--resolution", "lowest-direct", "--group", "tests", f".[{extras}]")
    uv(session, "pip", "install", *lowest, VIRTUAL_ENV=str(venv))
    folders = session.posargs or [f"tests/{name}" for name in FAST_TESTS]
    pytest = (str(scripts_of(venv) / "python"), "-m", "pytest", "-q", "--numprocesses=2")
    session.run(*pytest, *folders, external=True)


@nox.session
def httpx2(session: nox.Session) -> None:
    """Run tests of calls on httpx2 instead of httpx. respx cannot intercept it yet."""
    tests = ("tests/http", "tests/engine", "--ignore=tests/http/test_respx.py")
    two = "--numprocesses=2"
    session.run("pytest", two, *tests, env={"CLEVERREACH_HTTP_LIBRARY": "httpx2"})


@nox.session(name="format")
def format_(session: nox.Session) -> None:
    """Format the code and fix what ruff can fix."""
    session.run("ruff", "check", "--fix")
    session.run("ruff", "format")


def run_line_of_readme(
    session: nox.Session, *, ending: str, success_codes: list[int] | None = None, **env: str
) -> None:
    """Run the shell command of the README that ends so, outside of this environment."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if "uv run" in line and line.endswith(f" {ending}")]
    # A newcomer's shell has no environment active: `python3` is the system's, which has pip.
    own = str(Path(sys.executable).parent)
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != own]
    variables: dict[str, str | None] = {"PATH": os.pathsep.join(path), "VIRTUAL_ENV": None, **env}
    session.run("sh", "-c", line, env=variables, success_codes=success_codes, external=True)


def uv(session: nox.Session, *words: str, **env: str) -> str:
    """Run uv, which is no part of the environment, and return what it prints.

    It downloads no Python.
    """
    settings = {"UV_PYTHON_DOWNLOADS": "never", **env}
    return str(session.run("sh", str(UV), *words, env=settings, external=True, silent=True))


def extras_of_package() -> Sequence[str]:
    """Return the names of the extras, but for the engines of pipelines and for those together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [it for it in project["optional-dependencies"] if it not in {"all", *ENGINES}]


def scripts_of(venv: Path) -> Path:
    """Return the folder of an environment that has its interpreter."""
    return venv / ("Scripts" if sys.platform == "win32" else "bin")


def interpreter(session: nox.Session, version: str) -> str | None:
    """Return the path of a version of Python that uv or pyenv has, ``None`` if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for found in sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True):
        return str(found)
    try:
        printed = uv(session, "python", "find", "--no-project", version)
    except CommandFailed:
        return None
    return printed.strip()


def use_on(
    session: nox.Session, interpreter: str, wheel: Path, version: str, *, is_short: bool
) -> None:
    """Use the package on a version of Python: bare, with each extra, and with all."""
    venv = wheel.parent.parent / f"python{version}"
    compiled = f"{venv}.compiled"
    every = list(extras_of_package())
    alone = {} if is_short else {it: [it] for it in every}
    for name, extras in {"bare": list[str](), **alone, "all": every}.items():
        uv(session, "venv", "--quiet", "--clear", "--python", interpreter, str(venv))
        wanted = f"{wheel}[{','.join(extras)}]"
        uv(session, "pip", "install", "--quiet", wanted, VIRTUAL_ENV=str(venv))
        # -I: only what is installed can be imported. All environments share what is compiled.
        python = (str(scripts_of(venv) / "python"), "-I", "-X", f"pycache_prefix={compiled}")
        env = {"PYTHONPYCACHEPREFIX": compiled}
        session.run(*python, "tests/package/clean_install.py", name, env=env, external=True)
        session.log(f"Python {version}, {name}: works")
