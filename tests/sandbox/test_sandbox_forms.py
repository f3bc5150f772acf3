"""Forms, double opt-in, mailings, reports and blacklists."""

from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

ANN = "ann@example.org"
PROOF = {"user_ip": "203.0.113.7", "referer": "https://shop.example", "user_agent": "Browser"}


@pytest.fixture
async def form(api: httpx.AsyncClient, group: int) -> str:
    """The id of a form of a group; Ann is in the group and not yet confirmed."""
    await api.post(f"groups/{group}/receivers", json={"email": ANN, "activated": 0})
    answer = await api.post(f"forms/{group}/createfromtemplate/default", json={"name": "Sign up"})
    assert answer.json()["success"] is True
    return str(answer.json()["id"])


async def send(
    api: httpx.AsyncClient, form: str, kind: str = "activate", **fields: Any
) -> httpx.Response:
    """Request an e-mail."""
    body = {"email": ANN, "doidata": PROOF} | fields
    return await api.post(f"forms.json/{form}/send/{kind}", json=body)


async def test_read_forms(api: httpx.AsyncClient, group: int, form: str, sandbox: Sandbox) -> None:
    """Forms can be listed, read, rendered and deleted."""
    expected = {"id": form, "name": "Sign up", "customer_tables_id": str(group)}
    assert (await api.get("forms")).json() == [expected]
    assert (await api.get(f"groups/{group}/forms")).json() == [expected]
    assert (await api.get(f"forms/{form}")).json() == expected
    assert (await api.get(f"forms/{form}/code")).json().startswith("<!DOCTYPE html>")
    embedded = await api.get(f"forms/{form}/code", params={"embedded": "true"})
    assert embedded.json().startswith("<form")
    second = sandbox.add_form(group, "Second")
    assert (await api.delete(f"forms/{form}")).json() is True
    assert [f["id"] for f in (await api.get("forms")).json()] == [str(second)]
    assert (await api.get(f"forms/{form}")).status_code == 404


async def test_double_opt_in(
    api: httpx.AsyncClient, group: int, form: str, sandbox: Sandbox, now: int
) -> None:
    """The e-mail is recorded with its proof of consent; its link activates the receiver."""
    assert (await send(api, form)).json() is True
    mail = sandbox.mails[0]
    assert (mail.email, mail.kind, mail.doidata, mail.stamp) == (ANN, "activate", PROOF, now)
    assert (mail.form_id, mail.group_id) == (int(form), group)
    sandbox.follow_link(mail)
    assert (await api.get(f"groups/{group}/receivers/{ANN}")).json()["active"] is True
    await send(api, form, "deactivate")
    sandbox.follow_link(sandbox.mails[1])
    assert (await api.get(f"groups/{group}/receivers/{ANN}")).json()["active"] is False
    await api.delete(f"receivers/{ANN}")
    with pytest.raises(LookupError, match="gone"):
        sandbox.follow_link(mail)


@pytest.mark.parametrize("answer", ["true", "success", "email"])
async def test_responses_of_send(
    api: httpx.AsyncClient, form: str, sandbox: Sandbox, answer: Any
) -> None:
    """The switch selects the response."""
    sandbox.behaviour = Behaviour(form_send_answer=answer)
    expected: dict[str, object] = {"true": True, "success": {"success": True}, "email": ANN}
    assert (await send(api, form)).json() == expected[answer]


@pytest.mark.parametrize("part", ["user_ip", "referer", "user_agent"])
@pytest.mark.parametrize("value", ["", None, []])
async def test_proof_is_required(
    api: httpx.AsyncClient, form: str, sandbox: Sandbox, part: str, value: object
) -> None:
    """Each part of the proof is required; otherwise no e-mail is sent."""
    answer = await send(api, form, doidata=PROOF | {part: value})
    assert answer.status_code == 400
    assert part in answer.json()["error"]["message"]
    assert sandbox.mails == []


async def test_refused_sends(api: httpx.AsyncClient, form: str, sandbox: Sandbox) -> None:
    """Unknown receivers, forms and kinds are 404, suspicious addresses 403."""
    assert (await send(api, form, email="nobody@example.org")).status_code == 404
    assert (await send(api, form, email="1")).status_code == 404
    assert (await send(api, form, groups_id=7)).status_code == 404
    assert (await send(api, "7")).status_code == 404
    assert (await send(api, form, "remind")).status_code == 404
    assert (await send(api, form, doidata="x")).status_code == 400
    assert (await send(api, form, email=None)).status_code == 400
    sandbox.behaviour = Behaviour(suspicious=(ANN.upper(),))
    assert (await send(api, form)).status_code == 403
    assert sandbox.mails == []


async def test_not_found_directly_after_creation(
    api: httpx.AsyncClient, form: str, sandbox: Sandbox
) -> None:
    """With the switch, the first sends to a new receiver are 404."""
    sandbox.behaviour = Behaviour(not_found_after_create=2)
    assert [(await send(api, form)).status_code for _ in range(4)] == [404, 404, 200, 200]
    assert len(sandbox.mails) == 2


async def test_mail_to_somebody_active(api: httpx.AsyncClient, form: str, sandbox: Sandbox) -> None:
    """It is sent or refused, as the switch says. The e-mail to leave is sent."""
    assert (await send(api, form)).status_code == 200
    sandbox.follow_link(sandbox.mails[0])
    assert (await send(api, form)).status_code == 200
    sandbox.behaviour = Behaviour(mail_to_active="refuse")
    refused = await send(api, form)
    assert (refused.status_code, "already active" in refused.text) == (400, True)
    assert (await send(api, form, "deactivate")).status_code == 200
    assert len(sandbox.mails) == 3


# Mailings and reports.

DRAFT = {
    "name": "May",
    "subject": "News",
    "sender_name": "Shop",
    "sender_email": "shop@example.org",
}


async def test_draft(api: httpx.AsyncClient, group: int, now: int) -> None:
    """A draft can be created, read and changed; omitted fields are kept."""
    body = DRAFT | {
        "content": {"type": "html", "html": "<p>Hi</p>"},
        "receivers": {"groups": [group]},
        "settings": {"category_id": 3},
        "tags": ["x"],
    }
    created = (await api.post("mailings", json=body)).json()
    assert created == {"id": created["id"], "success": True}
    path = f"mailings/{created['id']}"
    assert (await api.put(path, json={"subject": "Big news"})).json() == created
    mailing = (await api.get(path)).json()
    assert (mailing["subject"], mailing["body_html"], mailing["m_type"]) == (
        "Big news",
        "<p>Hi</p>",
        2,
    )
    assert mailing["mailing_groups"] == {"group_ids": [str(group)]}
    assert (mailing["state"], mailing["stamp"], mailing["category_id"]) == ("draft", now, "3")


async def test_refused_mailings(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Missing fields and unknown types are 400, unknown ids 404; sent mailings cannot change."""
    for name in DRAFT:
        assert (await api.post("mailings", json=DRAFT | {name: ""})).status_code == 400
    bad = DRAFT | {"content": {"type": "pdf"}}
    assert (await api.post("mailings", json=bad)).status_code == 400
    assert (await api.get("mailings/1")).status_code == 404
    sent = sandbox.add_mailing(name="Sent", state="finished")
    assert (await api.put(f"mailings/{sent}", json={"name": "x"})).status_code == 403
    with pytest.raises(ValueError, match="Unknown state 'odd'"):
        sandbox.add_mailing(name="x", state="odd")


@pytest.mark.parametrize(
    "fields",
    [
        {"sender_email": "nobody"},
        {"content": "<p>Hello</p>"},
        {"receivers": [540001]},
        {"receivers": {"groups": 540001}},
        {"receivers": {"groups": ["Newsletter"]}},
        {"settings": "none"},
        {"tags": "spring"},
    ],
)
async def test_parts_of_a_mailing_with_a_wrong_type(
    api: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    """They are refused by name, instead of being left out of the mailing."""
    mailing = {"name": "n", "subject": "s", "sender_name": "a", "sender_email": "a@example.org"}
    made = (await api.post("mailings", json={**mailing, "content": [], "settings": []})).json()
    for answer in (
        await api.post("mailings", json=mailing | fields),
        await api.put(f"mailings/{made['id']}", json=fields),
    ):
        assert 400 == answer.status_code
        assert any(name in answer.text for name in (*fields, "groups"))


async def test_mailing_lists(api: httpx.AsyncClient, sandbox: Sandbox, now: int) -> None:
    """Without a page there is a list per state; with one state and a page, one list."""
    for number in range(3):
        sandbox.add_mailing(name=f"m{number}", state="finished", subject="s")
    sandbox.add_mailing(name="d")

    async def listed(**params: Any) -> Any:
        """List mailings."""
        return (await api.get("mailings", params=params)).json()

    grouped = await listed()
    assert {state: len(found) for state, found in grouped.items()} == {
        "draft": 1,
        "waiting": 0,
        "running": 0,
        "finished": 3,
        "automation": 0,
    }
    assert grouped["finished"][0]["finished"] == now
    assert list(await listed(state="finished")) == ["finished"]
    page = await listed(state="finished", page=1, limit=2, omit_body="true")
    assert [mailing["name"] for mailing in page] == ["m0"]
    assert "body_html" not in page[0]
    assert (await api.get("mailings", params={"state": "odd"})).status_code == 400


async def test_reports(api: httpx.AsyncClient, sandbox: Sandbox, now: int) -> None:
    """Reports have the id of the mailing and are listed newest first, at most 100 per page."""
    for number in range(102):
        mailing = sandbox.add_mailing(name=f"m{number}", state="finished")
        sandbox.add_report(mailing, stats={"basic": {"delivered": number}})
    page = (await api.get("reports", params={"pagesize": 500})).json()
    assert (len(page), page[0]["name"], page[0]["finished"]) == (100, "m101", now)
    assert len((await api.get("reports", params={"pagesize": 100, "page": 1})).json()) == 2
    assert (await api.get("reports", params={"start": now + 1, "end": now + 2})).json() == []
    assert (await api.get("reports", params={"start": 1})).status_code == 400
    path = f"reports/{page[0]['id']}"
    assert (await api.get(path)).json()["stats"]["basic"] == {"delivered": 101}
    assert (await api.delete(path)).json() is True
    for answer in (await api.get(path), await api.delete(path)):
        assert answer.json()["error"]["message"] == "Not Found: invalid report"


# Blacklists.


async def test_blacklist(api: httpx.AsyncClient, now: int) -> None:
    """Entries can be added once, read, changed and deleted."""
    entry = {"email": "No@example.org", "comment": "asked by phone"}
    expected = entry | {"stamp": now, "isLocked": False}
    assert (await api.post("blacklist", json=entry)).json() == expected
    assert (await api.post("blacklist", json=entry)).status_code == 409
    assert (await api.post("blacklist", json={"email": "x"})).status_code == 400
    assert (await api.get("blacklist.json")).json() == [expected]
    assert (await api.get("blacklist/no@example.org")).json() == expected
    assert (await api.put("blacklist", json=entry)).status_code == 409
    changed = await api.put("blacklist", json=entry | {"comment": "letter"})
    assert changed.json() == expected | {"comment": "letter"}
    assert (await api.put("blacklist", json={})).status_code == 400
    validated = await api.post("blacklist/validate", json={"emails": [ANN, "NO@example.org"]})
    assert validated.json() == [ANN]
    assert (await api.post("blacklist/validate", json={})).status_code == 400
    assert (await api.delete("blacklist/no%40example.org")).json() is True
    assert (await api.get("blacklist/no@example.org")).status_code == 404


async def test_group_blacklist(api: httpx.AsyncClient, group: int) -> None:
    """A group has a blacklist of its own."""
    path = f"groups/{group}/blacklist"
    assert (await api.post(path, json={"email": "no@example.org"})).is_success
    assert (await api.get("blacklist")).json() == []
    assert [entry["email"] for entry in (await api.get(path)).json()] == ["no@example.org"]
    assert (await api.delete(f"{path}/no@example.org")).json() is True
    assert (await api.get(path)).json() == []


async def test_unknown_operation(api: httpx.AsyncClient) -> None:
    """An unknown operation is 404 in the vendor's shape."""
    for method, path in (
        ("GET", "nothing"),
        ("PATCH", "groups"),
        ("GET", ""),
        ("GET", "groups/1/x"),
    ):
        answer = await api.request(method, path)
        assert answer.status_code == 404
        assert answer.json() == {"error": {"code": 404, "message": "Not Found"}}
