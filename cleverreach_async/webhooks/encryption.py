"""Decrypt the address of a deleted receiver.

The vendor does not document the encryption. The one program that is known to read it takes the text
as hexadecimal, its first 16 bytes as initialisation vector, and the SHA-256 of the secret as key of
AES-256-CBC. Other plausible ways are tried too. The result must be an e-mail address, and only one
of the ways may have such a result.
"""

import re
from base64 import b64decode
from binascii import Error, unhexlify
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from importlib import import_module
from typing import Any, Final

__all__ = ["Decrypt", "decrypted", "is_address", "load_aes", "read_ciphertext"]

Decrypt = Callable[[bytes, bytes, bytes], bytes]
"""Decrypts with AES in CBC mode: key, initialisation vector, data."""

_BLOCK: Final = 16
_KEY: Final = 32
_MAX_ADDRESS: Final = 254
_ADDRESS: Final = re.compile(
    r"[^\s@<>\"(),:;\\\[\]]+@[^\s@<>\"(),:;\\\[\]]+\.[^\s@<>\"(),:;\\\[\]]+"
)


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address."""
    is_short = len(text) <= _MAX_ADDRESS
    return is_short and text.isprintable() and _ADDRESS.fullmatch(text) is not None


def load_aes() -> Decrypt | None:
    """Return AES of the library ``cryptography``, or ``None`` where it is not installed."""
    try:
        ciphers: Any = import_module("cryptography.hazmat.primitives.ciphers")
    except ImportError:
        return None

    def decrypt(key: bytes, vector: bytes, data: bytes) -> bytes:
        cipher = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(vector))
        decryptor = cipher.decryptor()
        return bytes(decryptor.update(data) + decryptor.finalize())

    return decrypt


def read_ciphertext(text: str) -> bytes | None:
    """Return the bytes of a ciphertext in hexadecimal or Base64, or ``None`` if it is none."""
    for read in (unhexlify, _base64):
        try:
            data = read(text)
        except (Error, ValueError):
            continue
        if data and len(data) % _BLOCK == 0:
            return data
    return None


def _base64(text: str) -> bytes:
    return b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def decrypted(data: bytes, secrets: Iterable[str], decrypt: Decrypt) -> str | None:
    """Return the address in a ciphertext, or ``None`` if no secret decrypts it for certain.

    Args:
        data: The ciphertext.
        secrets: The secrets of the webhooks that it may belong to.
        decrypt: AES.
    """
    known = list(secrets)
    # In CBC mode, data without a vector in front, read as if it had one, yields the end of the
    # address, which may be an address too. So whole data is tried first.
    for ways in (_whole(data, known), _with_vector(data, known)):
        found = {text for way in ways if (text := _address(decrypt(*way))) is not None}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


_Ways = Iterator[tuple[bytes, bytes, bytes]]


def _with_vector(data: bytes, secrets: Iterable[str]) -> _Ways:
    """Return the ways in which the vector is in front of the data."""
    vector, rest = data[:_BLOCK], data[_BLOCK:]
    for secret in secrets if rest else ():
        for key in _keys(secret):
            yield key, vector, rest


def _whole(data: bytes, secrets: Iterable[str]) -> _Ways:
    """Return the ways in which the vector is the same for all data."""
    for secret in secrets:
        for key in _keys(secret):
            # Not the beginning of the secret beside another key: where both are hexadecimal digits,
            # one address read with the other's vector may look like an address too.
            for vector in (bytes(_BLOCK), key[:_BLOCK]):
                yield key, vector, data


def _keys(secret: str) -> Iterator[bytes]:
    digest = sha256(secret.encode())
    yield digest.digest()
    yield digest.hexdigest()[:_KEY].encode()  # what PHP does with the digest as text
    if len(secret.encode()) == _KEY:
        yield secret.encode()


def _address(data: bytes) -> str | None:
    """Return the address in decrypted data, without its padding (PKCS #7)."""
    length = data[-1]
    if not 1 <= length <= _BLOCK or data[-length:] != bytes([length]) * length:
        return None
    try:
        text = data[:-length].decode("utf-8")
    except UnicodeError:
        return None
    return text if is_address(text) else None
