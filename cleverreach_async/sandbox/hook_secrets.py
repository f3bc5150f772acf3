"""Encryption of addresses in webhooks.

U: the vendor does not document it. M-H: one shop system reads hex, the initialisation vector in
front, AES-256-CBC with PKCS #7, and the SHA-256 of the secret as key.
"""

from base64 import b64encode
from hashlib import sha256
from secrets import token_bytes
from typing import Any

from .behaviour import Behaviour

_BLOCK = 16
_KEY = 32

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ModuleNotFoundError as _error:
    _error.msg = (
        "addresses in webhooks need cryptography: pip install 'cleverreach-async[webhooks]'"
    )
    raise


def encrypt_address(email: str, secret: str, behaviour: Behaviour) -> str:
    """Return an encrypted address as the behaviour selects."""
    digest = sha256(secret.encode())
    keys = {
        "sha256": digest.digest(),
        "sha256_text": digest.hexdigest()[:_KEY].encode(),
        "secret": secret.encode(),
    }
    key = keys[behaviour.webhook_key]
    vectors = {"front": token_bytes(_BLOCK), "zero": bytes(_BLOCK), "key": key[:_BLOCK]}
    vector = vectors[behaviour.webhook_vector]
    encryptor: Any = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    length = _BLOCK - len(email.encode()) % _BLOCK
    data: bytes = encryptor.update(email.encode() + bytes([length]) * length)
    if behaviour.webhook_vector == "front":
        data = vector + data
    return b64encode(data).decode() if behaviour.webhook_email == "base64" else data.hex()
