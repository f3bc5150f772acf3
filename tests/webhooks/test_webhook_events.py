"""Typed events, and the addresses of deleted receivers in every plausible encryption."""

import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cleverreach_async import (
    AutomationEvent,
    FilterEvent,
    FormEvent,
    GroupEvent,
    ReceiverEvent,
    WebhookEvent,
    WebhookKeys,
)

pytestmark = pytest.mark.anyio

Open = Callable[..., Any]
SECRET = "secret-" + "0815" * 6 + "z"
VECTOR = bytes(range(16))
KEYS = {
    "sha256": sha256(SECRET.encode()).digest(),
    "sha256 as text": sha256(SECRET.encode()).hexdigest()[:32].encode(),
    "secret": SECRET.encode(),
}
TEXTS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "HEX": lambda data: data.hex().upper(),
    "base64": lambda data: b64encode(data).decode(),
    "url": lambda data: urlsafe_b64encode(data).decode(),
}
ADDRESSES = ["a@b.co", "bruce@wayne.example", "selina.kyle.of.gotham.city@museum.example.org"]


def encrypt(data: bytes, key: bytes, vector: bytes) -> bytes:
    """Encrypt with AES-256-CBC and PKCS #7."""
    length = 16 - len(data) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return encryptor.update(data + bytes([length]) * length) + encryptor.finalize()


def deleted(email: Any) -> dict[str, Any]:
    """A delivery about a deleted receiver."""
    payload = {"email": email, "group_id": "5"}
    return {"event": "receiver.deleted", "condition": "5", "payload": payload}


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
@pytest.mark.parametrize("address", ADDRESSES)
async def test_the_vector_is_in_front(
    deliveries: Any, address: str, key: bytes, text: Callable[[bytes], str]
) -> None:
    """As the one program does that is known to read it, and with other keys and texts."""
    data = VECTOR + encrypt(address.encode(), key, VECTOR)
    assert 200 == (await deliveries.send(deleted(text(data)))).status
    [event] = deliveries.events
    assert (address, "", None, 5) == (
        event.email,
        event.email_problem,
        event.pool_id,
        event.group_id,
    )


@pytest.mark.parametrize("vector", ["zero", "key"])
@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
@pytest.mark.parametrize("address", ADDRESSES)
async def test_the_vector_is_fixed(deliveries: Any, address: str, key: bytes, vector: str) -> None:
    """The end of an address, which may be an address itself, is never taken for all of it."""
    fixed = {"zero": bytes(16), "key": key[:16]}[vector]
    assert (
        200 == (await deliveries.send(deleted(encrypt(address.encode(), key, fixed).hex()))).status
    )
    assert address == deliveries.events[0].email


@pytest.mark.parametrize(
    "data",
    [
        VECTOR + encrypt(b"bruce@wayne.example", b"k" * 32, VECTOR),
        VECTOR + encrypt(b"no address", KEYS["sha256"], VECTOR),
        VECTOR + encrypt(b"a@b.c\xff", KEYS["sha256"], VECTOR),
        VECTOR + encrypt(b"a@b.c\n", KEYS["sha256"], VECTOR),
        VECTOR + encrypt(b"a@b.c<b>", KEYS["sha256"], VECTOR),
        VECTOR + encrypt(b"", KEYS["sha256"], VECTOR),
        VECTOR,
        bytes(48),
    ],
)
async def test_what_does_not_decrypt_is_no_address(deliveries: Any, data: bytes) -> None:
    """The event passes without it and says why: every kind of failure in the same way."""
    assert 200 == (await deliveries.send(deleted(data.hex()))).status
    [event] = deliveries.events
    assert event.email is None
    assert "the secret of the webhook does not decrypt it" == event.email_problem


async def test_the_secret_of_the_registration_is_used(open_endpoint: Open) -> None:
    """Of every registration with the token; without any secret the event says so."""
    keys = [
        WebhookKeys(calltoken="one", secret="other"),
        WebhookKeys(calltoken="one", secret=SECRET),
        WebhookKeys(calltoken="two"),
    ]
    shop = open_endpoint(calltoken=None, secret=None, keys=keys)
    text = (VECTOR + encrypt(b"bruce@wayne.example", KEYS["sha256"], VECTOR)).hex()
    await shop.send(deleted(text), calltoken="one")
    await shop.send(deleted(text), calltoken="two")
    assert ["bruce@wayne.example", None] == [it.email for it in shop.events]
    assert "decrypting needs the secret of the webhook" == shop.events[1].email_problem


async def test_without_the_extra_the_event_says_so(
    open_endpoint: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the remedy; everything else works."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    shop = open_endpoint()
    assert 200 == (await shop.send(deleted((VECTOR * 2).hex()))).status
    [event] = shop.events
    assert event.email is None
    assert "pip install 'cleverreach-async[webhooks]'" in event.email_problem


async def test_an_address_that_is_not_encrypted(deliveries: Any) -> None:
    """Which events have an encrypted one is undocumented."""
    await deliveries.send(deleted("müller@exämple.de"))
    await deliveries.send(deleted(""))
    await deliveries.send(deleted(None))
    assert [("müller@exämple.de", ""), (None, ""), (None, "")] == [
        (it.email, it.email_problem) for it in deliveries.events
    ]


async def test_the_same_address_in_another_encryption_is_a_repeat(deliveries: Any) -> None:
    """The vector may be another one in each delivery."""
    for vector, status in ((VECTOR, 200), (bytes(16), 429)):
        data = vector + encrypt(b"a@b.co", KEYS["sha256"], vector)
        assert status == (await deliveries.send(deleted(data.hex()))).status


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"event": "receiver.created", "condition": 5, "payload": {"pool_id": 7, "x": 1}},
            ReceiverEvent(
                name="receiver.created", condition=5, pool_id=7, payload={"pool_id": 7, "x": 1}
            ),
        ),
        (
            {"event": "receiver.deleted", "condition": "", "payload": {"pool_id": "0"}},
            ReceiverEvent(name="receiver.deleted", payload={"pool_id": "0"}),
        ),
        (
            {"event": "group.deleted", "payload": {"group_id": "5"}},
            GroupEvent(name="group.deleted", group_id=5, payload={"group_id": "5"}),
        ),
        (
            {"event": "form.updated", "condition": None, "payload": {"form_id": "3001"}},
            FormEvent(name="form.updated", form_id=3001, payload={"form_id": "3001"}),
        ),
        (
            {"event": "filter.created", "payload": {"filter_id": True}},
            FilterEvent(name="filter.created", payload={"filter_id": True}),
        ),
        (
            {"event": "automation.activated", "condition": "9", "payload": []},
            AutomationEvent(name="automation.activated", condition=9, automation_id="9"),
        ),
        (
            {"event": "automation.activated", "condition": "a2e-cart", "payload": {}},
            AutomationEvent(name="automation.activated", automation_id="a2e-cart"),
        ),
        ({"event": "automation.deleted"}, AutomationEvent(name="automation.deleted")),
    ],
)
async def test_events_that_are_known(deliveries: Any, body: Any, expected: WebhookEvent) -> None:
    """Each family has its class. Numbers and texts are ids; what is not sent is ``None``."""
    assert 200 == (await deliveries.send(body)).status
    [event] = deliveries.events
    assert expected == event
    assert type(expected) is type(event)


@pytest.mark.parametrize(
    ("body", "condition"),
    [
        ({"event": "mailing.sent", "condition": "5", "payload": {"id": [True]}}, 5),
        ({"event": "receiver.merged", "condition": "all", "payload": {"pool_id": True}}, None),
        ({"event": "receiver", "condition": {"a": 1}, "payload": {"email": 7}}, None),
    ],
)
async def test_an_event_that_is_not_known_passes(
    deliveries: Any, body: Any, condition: int | None
) -> None:
    """With what the vendor sent, as it came."""
    assert 200 == (await deliveries.send(body)).status
    [event] = deliveries.events
    assert WebhookEvent is type(event)
    family, _, action = body["event"].partition(".")
    assert (condition, body["payload"], family, action) == (
        event.condition,
        event.payload,
        event.family,
        event.action,
    )
