"""The fixtures of the plugin, for tests of it; our own runs do not load it on their own."""

from cleverreach_async.testing import (
    cleverreach,
    cleverreach_for,
    cleverreach_sandbox,
    cleverreach_sandbox_url,
)

__all__ = ["cleverreach", "cleverreach_for", "cleverreach_sandbox", "cleverreach_sandbox_url"]
