"""What the forms of the page do."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cleverreach_async.sandbox.account import SandboxAccount
from cleverreach_async.sandbox.behaviour import Behaviour
from cleverreach_async.sandbox.faults import Faults, parse_fault
from cleverreach_async.sandbox.forms import SentMail
from cleverreach_async.sandbox.limits import AccountLimits, parse_outage
from cleverreach_async.sandbox.values import load_map

from .controls import describe
from .switches import switches

Form = Mapping[str, str]
Action = Callable[[SandboxAccount, Faults, Form], None]


class PageAction(NamedTuple):
    """What a form does.

    Attributes:
        section: The section of the form.
        done: What to say afterwards.
        run: Does it; a ValueError or LookupError says why not.
    """

    section: str
    done: str
    run: Action


def _expire_tokens(account: SandboxAccount, _faults: Faults, _form: Form) -> None:
    account.expire_tokens()


def _follow_link(account: SandboxAccount, _faults: Faults, form: Form) -> None:
    sql = (
        "SELECT form_id, group_id, receiver_id, email, kind, doidata, stamp FROM mails WHERE id = ?"
    )
    row = account.store.one(sql, form.get("mail", ""))
    if row is None:
        raise LookupError("There is no such e-mail.")
    row["doidata"] = load_map(row["doidata"])
    account.follow_link(SentMail(**row))


def _add_fault(account: SandboxAccount, faults: Faults, form: Form) -> None:
    fault = parse_fault(form.get("spec", ""))
    account.account.accounts.check_fault(fault)
    faults.add(fault)


def _remove_fault(_account: SandboxAccount, faults: Faults, form: Form) -> None:
    index = form.get("index", "")
    shown = dict(enumerate(map(describe, faults.current)))
    if not index.isdecimal() or shown.get(int(index)) != form.get("fault"):
        raise LookupError("The faults have changed in the meantime: choose again.")
    faults.remove(int(index))


def _set_limits(account: SandboxAccount, _faults: Faults, form: Form) -> None:
    texts = {name: text.strip() for name, text in form.items()}
    rate, most, outages = (texts.get(it, "") for it in ("rate", "max_in_flight", "outages"))
    try:
        values = float(rate) if rate else None, int(most) if most else None
    except ValueError:
        raise ValueError(
            "Requests per second and requests at once are numbers, or empty for no limit."
        ) from None
    spans = [parse_outage(it.strip()) for it in outages.split(",") if it.strip()]
    # Checked as a whole first, so that a refused form changes nothing.
    AccountLimits(account.account.clock, rate=values[0], max_in_flight=values[1], outages=spans)
    limits = account.limits
    limits.rate, limits.max_in_flight = values
    limits.outages = tuple(spans)
    limits.retry_after = texts.get("retry_after") == "yes"


def _set_switches(account: SandboxAccount, _faults: Faults, form: Form) -> None:
    current = account.behaviour
    account.behaviour = Behaviour.parse(
        *(f"{it.name}={form.get(it.name, it.value_in(current))}" for it in switches())
    )


ACTIONS = {
    "add-fault": PageAction("faults", "the fault is injected from now on.", _add_fault),
    "expire-tokens": PageAction(
        "tokens", "all access tokens of the account have expired.", _expire_tokens
    ),
    "follow-link": PageAction("mails", "the link in the e-mail was followed.", _follow_link),
    "limits": PageAction("limits", "the limits apply from now on.", _set_limits),
    "remove-fault": PageAction("faults", "the fault is gone.", _remove_fault),
    "switches": PageAction("switches", "the switches apply from now on.", _set_switches),
}
"""The actions by the last segment of their path."""
