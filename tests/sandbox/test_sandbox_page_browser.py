"""The sandbox's page in a browser: keyboard, names for screen readers, contrast, live requests."""

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from support.chromium import CHROMIUM, Tab, chromium

from cleverreach_async.sandbox import Fault, Sandbox
from cleverreach_async.sandbox.server import running

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium"),
]

PROOF = {"user_ip": "127.0.0.1", "referer": "x", "user_agent": "y"}

POOR_CONTRAST = """
(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = element => {
    for (let it = element; it; it = it.parentElement) {
      const rgb = parse(getComputedStyle(it).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0) return rgb;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const it of document.querySelectorAll("body *")) {
    const own = [...it.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !it.checkVisibility()) continue;
    const pair = [light(parse(getComputedStyle(it).color)), light(back(it))].sort((a, b) => b - a);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) poor.push(it.outerHTML);
  }
  return poor;
})()
"""
"""The elements whose text has less contrast than 4.5 to 1."""


@pytest.fixture(scope="module")
def served() -> Generator[tuple[Sandbox, str], None, None]:
    """A sandbox with two accounts and some data, and its URL."""
    with Sandbox() as sandbox, running(sandbox) as url:
        sandbox.add_account("shop-42")
        sandbox.faults.add(Fault("latency", seconds=0.001, path_prefix="/v3/nothing"))
        with client(sandbox, url) as api:
            group = int(api.post("groups", json={"name": "Newsletter"}).json()["id"])
            form = sandbox.add_form(group, "Sign-up")
            for name in ("mia", "a-long-name-that-needs-much-room-on-a-phone.and-more"):
                row = {"email": f"{name}@example.org", "activated": 0, "tags": ["vip"]}
                api.post(f"groups/{group}/receivers", json=row)
            line = {"order_id": "A-17", "product": "Lamp " * 20, "price": 5, "currency": "EUR"}
            api.post("receivers/mia@example.org/orders", json=line)
            mail = {"email": "mia@example.org", "doidata": PROOF}
            api.post(f"forms/{form}/send/activate", json=mail)
        yield sandbox, url


def client(sandbox: Sandbox, url: str) -> httpx.Client:
    """A client of the API."""
    headers = {"authorization": f"Bearer {sandbox.add_token()}"}
    return httpx.Client(base_url=f"{url}/v3/", headers=headers)


@pytest.fixture(scope="module")
def tab() -> Generator[Tab, None, None]:
    """A page of a browser, which all tests use: it takes a second to start."""
    with chromium() as browser:
        yield browser.tab()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_layout(served: tuple[Sandbox, str], tab: Tab, width: int, scheme: str) -> None:
    """Nothing is wider than the window, and all text has enough contrast, in both schemes."""
    tab.look(width=width, scheme=scheme)
    tab.open(f"{served[1]}/?done=limits")
    tab.run("document.querySelector('details').open = true")
    assert width == tab.run("document.documentElement.scrollWidth")
    assert [] == tab.run(POOR_CONTRAST)
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    assert (scheme == "light") == (background == "rgb(246, 247, 249)")


def test_a_long_name_of_a_group(tab: Tab) -> None:
    """A name or an error without a space is wrapped on a phone too."""
    with Sandbox() as sandbox, running(sandbox) as url, client(sandbox, url) as api:
        api.post("groups", json={"name": "x" * 300})
        tab.look(width=390)
        tab.open(url)
        assert 390 == tab.run("document.documentElement.scrollWidth")
        with tab.loading():
            tab.run(
                "(document.querySelector('input[name=spec]').value = 'y'.repeat(300),"
                " document.querySelector('#faults form').submit())"
            )
        assert "Not done" in tab.run("document.getElementById('notice').textContent")
        assert 390 == tab.run("document.documentElement.scrollWidth")


def test_nothing_foreign_and_no_error(served: tuple[Sandbox, str], tab: Tab) -> None:
    """The browser asks for nothing but the page's own files, and reports nothing."""
    start = len(tab.events)
    tab.open(served[1])
    tab.wait(lambda: tab.run("document.getElementById('live-state').textContent") == "Live.")

    events = tab.events[start:]
    asked = [it["request"]["url"] for name, it in events if name == "Network.requestWillBeSent"]
    paths = {it.removeprefix(served[1]).partition("?")[0] for it in asked}
    assert {"/", "/sandbox/page.css", "/sandbox/page.js", "/sandbox/requests", "data:,"} >= paths
    reports = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert [] == [it for name, it in events if name in reports]


def test_names_for_a_screen_reader(served: tuple[Sandbox, str], tab: Tab) -> None:
    """Everything that can be used has a name of its own, and headings have an order."""
    tab.open(served[1])
    tab.run("document.querySelector('details').open = true")
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]

    def named(*roles: str) -> list[tuple[str, str]]:
        """The roles and names of the nodes of some roles."""
        found = [it for it in nodes if not it["ignored"] and it["role"]["value"] in roles]
        return [(it["role"]["value"], it.get("name", {}).get("value", "")) for it in found]

    usable = named("button", "link", "checkbox", "combobox", "textbox", "searchbox", "region")
    assert [] == [it for it in usable if not it[1]]
    assert {"button", "link", "checkbox", "combobox", "textbox", "searchbox"} <= dict(usable).keys()
    buttons = [name for role, name in usable if role == "button"]
    assert sorted(set(buttons)) == sorted(buttons)
    assert "Confirm mia@example.org" in buttons
    levels = tab.run("[...document.querySelectorAll('h1, h2, h3')].map(it => it.tagName)")
    assert levels == ["H1", *["H2"] * (len(levels) - 1)]
    assert ["en", 1] == tab.run(
        "[document.documentElement.lang, document.querySelectorAll('main').length]"
    )
    ids = tab.run("[...document.querySelectorAll('[id]')].map(it => it.id)")
    assert len(set(ids)) == len(ids)


def test_the_keyboard(served: tuple[Sandbox, str], tab: Tab) -> None:
    """Tab reaches a button, Enter presses it, and the focus is then on what it has done."""
    sandbox, url = served
    tab.look(width=1280)
    tab.open(url)
    tab.press("Tab")
    assert "Skip to the content" == tab.run("document.activeElement.textContent")
    seen = list[str]()
    while "Confirm mia@example.org" not in seen:
        tab.press("Tab")
        seen.append(tab.run("document.activeElement.textContent"))
        assert tab.run("document.activeElement.matches(':focus-visible')")
        assert len(seen) < 100
    outline = tab.run("getComputedStyle(document.activeElement).outlineStyle")

    with tab.loading():
        tab.press("Enter", "\r")

    group = sandbox.store.group_id("Newsletter") or 0
    receiver = sandbox.store.receiver(group, "mia@example.org")
    assert ("solid", True) == (outline, receiver is not None and receiver["active"])
    assert ["notice", "status"] == tab.run(
        "[document.activeElement.id, document.activeElement.role]"
    )
    tab.press("Tab")
    assert tab.run("document.getElementById('mails').contains(document.activeElement)")


def test_live_requests(served: tuple[Sandbox, str], tab: Tab) -> None:
    """They appear on their own, can be paused, and none is missing or doubled afterwards."""
    sandbox, url = served
    rows = "[...document.querySelectorAll('#request-rows th')].map(it => it.textContent)"

    def paths() -> list[str]:
        """The requests on the page that this test has sent."""
        return [it for it in tab.run(rows) if "/live-" in it]

    tab.open(url)
    with client(sandbox, url) as api:
        api.get("live-1")
        tab.wait(lambda: paths() == ["GET /v3/live-1"])
        tab.run("document.getElementById('live').click()")
        assert "Paused." == tab.run("document.getElementById('live-state').textContent")
        api.get("live-2")
        assert ["GET /v3/live-1"] == paths()
        tab.run("document.getElementById('live').click()")
        tab.wait(lambda: paths() == ["GET /v3/live-2", "GET /v3/live-1"])
        for number in range(60):
            api.get(f"many-{number}")
        tab.wait(lambda: "GET /v3/many-59" in tab.run(rows))
    assert 50 == len(tab.run(rows))


def test_a_form_of_another_site(served: tuple[Sandbox, str], tab: Tab) -> None:
    """A page under another name of the same computer cannot switch anything or read anything."""
    sandbox, url = served
    other = url.replace("127.0.0.1", "localhost")
    tab.open(f"{other}/v3/debug/ping")  # no policy of ours there
    token = sandbox.add_token()
    send = (
        f"fetch('{url}/sandbox/expire-tokens', {{method: 'POST', mode: 'no-cors'}}).then(() => 1)"
    )
    assert 1 == tab.run(f"{send}.catch(() => 1)")
    read = f"fetch('{url}/').then(it => it.text()).catch(it => it.name)"

    assert "TypeError" == tab.run(read)
    headers = {"authorization": f"Bearer {token}"}
    assert 200 == httpx.get(f"{url}/v3/groups", headers=headers).status_code


def test_without_a_script(served: tuple[Sandbox, str], tab: Tab) -> None:
    """The page shows everything and its forms work; it says that new requests need a reload."""
    sandbox, url = served
    token = sandbox.add_token()
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(url)
        hidden: Any = tab.run("document.getElementById('live-control').hidden")
        notes = tab.run("document.querySelector('noscript').innerText")
        with tab.loading():
            tab.run("document.querySelector('#tokens form button').click()")
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert (True, True) == (hidden, "again to see new requests" in notes)
    headers = {"authorization": f"Bearer {token}"}
    assert 401 == httpx.get(f"{url}/v3/groups", headers=headers).status_code
