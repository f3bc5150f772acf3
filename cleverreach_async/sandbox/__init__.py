"""A CleverReach on your laptop, as far as public facts reach, for tests and trials.

It runs in process (``httpx.ASGITransport(app=sandbox.app)``) or behind a socket (:mod:`.server`),
keeps its data in SQLite, plays every plausible :class:`Behaviour` where the real API is
undocumented, and lets things go wrong on demand (:class:`Faults`). Quirks it emulates name their
confidence: H several independent or live-tested sources, M one good source, L one weak source,
U unknown.

It is a test double and no security boundary: do not expose it to a network you do not trust, and
do not give it real addresses or credentials.
"""

from .app import Sandbox
from .behaviour import Behaviour
from .faults import Fault, Faults
from .forms import SentMail
from .recording import RecordedRequest

__all__ = ["Behaviour", "Fault", "Faults", "RecordedRequest", "Sandbox", "SentMail"]
