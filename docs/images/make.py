"""Make the pictures of the README: ``python docs/images/make.py``.

It needs tmux, which shows the screen of a terminal, and Chromium. Everything runs on this computer.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import httpx
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
CUSTOMERS = HERE.parents[1] / "examples" / "customers.csv"
PORT = 8801
URL = f"http://127.0.0.1:{PORT}"
ACCOUNT = {
    "CLEVERREACH_BASE_URL": URL,
    "CLEVERREACH_CLIENT_ID": "sandbox",
    "CLEVERREACH_CLIENT_SECRET": "sandbox-secret",
}
COLUMNS, LINES = 106, 32
TMUX = ("tmux", "-L", "cleverreach-pictures")


def main() -> None:
    """Make all pictures."""
    for program in ("tmux", "chromium"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(CUSTOMERS, folder)
        stack.callback(subprocess.run, [*TMUX, "kill-server"], check=False)
        command = [sys.executable, "-m", "cleverreach_async", "sandbox", "--port", str(PORT)]
        sandbox = stack.enter_context(subprocess.Popen([*command, "--latency", "150ms"]))
        stack.callback(sandbox.terminate)
        wait_until(answers)
        options = "--create --report report.html --max-rows-per-second 1500"
        screen = screen_during(
            f"cleverreach import customers.csv --group Newsletter {options}", folder
        )
        save_screen(screen, HERE / "import.svg")
        wait_until((folder / "report.html").exists)
        photograph((folder / "report.html").as_uri(), HERE / "report.png", height=1000)
        photograph(URL, HERE / "sandbox.png", height=1000)


def answers() -> bool:
    """Whether the sandbox answers."""
    try:
        return httpx.get(f"{URL}/v3/debug/ping.json").is_success
    except httpx.TransportError:
        return False


def wait_until(is_true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something outside of this process."""
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            sys.exit(f"{is_true} took more than {seconds:g} s")
        time.sleep(0.1)


def screen_during(command: str, folder: Path) -> str:
    """Return what a terminal shows in the middle of an import, with its colours."""
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = [f"{name}={value}" for name, value in {**ACCOUNT, "PATH": scripts, "PS1": "$ "}.items()]
    shell = shlex.join(["env", *words, "bash", "--norc", "--noprofile"])
    size = ("-x", str(COLUMNS), "-y", str(LINES))
    subprocess.run([*TMUX, "new-session", "-d", *size, "-c", str(folder), shell], check=True)
    subprocess.run([*TMUX, "send-keys", command, "Enter"], check=True)
    shown = ""

    def is_halfway() -> bool:
        nonlocal shown
        shown = subprocess.check_output([*TMUX, "capture-pane", "-e", "-p"], encoding="utf-8")
        return any(f" {share}%" in shown for share in range(40, 90)) or "Imported" in shown

    wait_until(is_halfway)
    return shown.rstrip()


def save_screen(screen: str, path: Path) -> None:
    """Draw the text of a terminal."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen), soft_wrap=False)
    drawn = console.export_svg(title="cleverreach import")
    # A picture loads nothing from another server.
    path.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), "utf-8")


def photograph(url: str, path: Path, *, height: int) -> None:
    """Take a picture of a page."""
    size = f"--window-size=1280,{height}"
    options = ("--headless", "--no-sandbox", "--hide-scrollbars", size, f"--screenshot={path}")
    subprocess.run(["chromium", *options, url], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
