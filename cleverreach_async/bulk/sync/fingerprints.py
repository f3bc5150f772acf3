"""Fingerprints of addresses and rows: pure.

They are keyed, so that two state files have nothing in common, and no address can be read from one.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

__all__ = ["Fingerprints"]

_ADDRESS_BYTES: Final = 16
_CONTENT_BYTES: Final = 12


class Fingerprints:
    """Fingerprints under one key.

    Args:
        key: The key, 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        # To copy a digest takes half the time of creating one with a key.
        self._address = blake2b(key=key, digest_size=_ADDRESS_BYTES)
        self._content = blake2b(key=key, digest_size=_CONTENT_BYTES)

    def of_addresses(self, keys: Iterable[str]) -> list[bytes]:
        """Return the fingerprint of each address, which is given in its one form, ``email_key``."""
        return _digests(self._address, [key.encode(errors="surrogatepass") for key in keys])

    def of_later_row(self, key: str, number: int) -> bytes:
        """Return the fingerprint of a further row of an address.

        Args:
            key: The address.
            number: Which row of it in the source, from two on.
        """
        return self.of_addresses([f"{key}\n{number}"])[0]

    def of_contents(self, bodies: Iterable[bytes]) -> list[bytes]:
        """Return the fingerprint of each row as it is sent."""
        return _digests(self._content, bodies)


def _digests(empty: blake2b, texts: Iterable[bytes]) -> list[bytes]:
    digests: list[bytes] = []
    for text in texts:
        digest = empty.copy()
        digest.update(text)
        digests.append(digest.digest())
    return digests
