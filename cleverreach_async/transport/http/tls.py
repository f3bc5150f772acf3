"""Which servers are trusted."""

import os
import ssl
from functools import lru_cache

import certifi

from cleverreach_async.errors import ConfigurationError

__all__ = ["tls_context"]


def tls_context() -> ssl.SSLContext:
    """Return what verifies servers: with ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, else certifi.

    Loading the certificates takes 20 ms or more, so all clients share them.

    Raises:
        ConfigurationError: The file or folder of the environment cannot be read.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        return _context(file or None, None if file else folder or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}"
        ) from None


@lru_cache(maxsize=4)
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    if file is None and folder is None:
        file = certifi.where()
    return ssl.create_default_context(cafile=file, capath=folder)
