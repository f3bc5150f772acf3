"""A local CleverReach server for tests and experiments, built from public facts.

It runs in process (``httpx.ASGITransport(app=sandbox.app)``) or behind a socket (:mod:`.server`)
and stores its data in SQLite. Where the real API is undocumented, it can act in every plausible way
(:class:`Behaviour`), and it can inject faults (:class:`Faults`). A letter beside an emulated detail
is the confidence in it: H several independent or live-tested sources, M one good source, L one weak
source, U unknown.

It is a test double, not a security boundary: do not expose it to a network that you do not trust,
and do not give it real addresses or credentials.
"""

try:
    from .app import Sandbox
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] != "starlette":
        raise
    _error.msg = "the sandbox needs starlette: pip install 'cleverreach-async[sandbox]'"
    raise
from .account import SandboxAccount
from .behaviour import Behaviour
from .faults import Fault, Faults
from .forms import SentMail
from .hook_calls import Deliver, WebhookAnswer, WebhookCall, deliver_over_http, deliver_to_app
from .hook_queue import SentWebhook
from .limits import AccountLimits
from .recording import RecordedRequest
from .scenario import AccountScenario, Scenario

__all__ = [
    "AccountLimits",
    "AccountScenario",
    "Behaviour",
    "Deliver",
    "Fault",
    "Faults",
    "RecordedRequest",
    "Sandbox",
    "SandboxAccount",
    "Scenario",
    "SentMail",
    "SentWebhook",
    "WebhookAnswer",
    "WebhookCall",
    "deliver_over_http",
    "deliver_to_app",
]
