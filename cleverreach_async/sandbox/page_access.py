"""Where the sandbox's page can be seen; it is imported without the page."""

import ipaddress
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class PageAccess:
    """Where a server listens, which it says when it starts.

    Attributes:
        hosts: The addresses or names that servers were told to listen on.
        ended: How many servers have ended; each ends the streams that are open.
    """

    hosts: set[str] = field(default_factory=set[str])
    ended: int = 0

    @property
    def elsewhere(self) -> list[str]:
        """The addresses that other computers may connect to."""
        return sorted(host for host in self.hosts if not is_this_computer(host))

    @contextmanager
    def listening(self, host: str) -> Generator[Callable[[], None], None, None]:
        """A server listens on an address in this block; it calls the function before it ends."""
        self.hosts.add(host)
        try:
            yield self._end
        finally:
            self.hosts.discard(host)

    def _end(self) -> None:
        """End the open streams, for which a server would wait."""
        self.ended += 1


def is_this_computer(host: str) -> bool:
    """Whether an address or a name is of this computer only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
