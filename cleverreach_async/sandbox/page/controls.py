"""The sections with what can be switched: tokens, faults, limits and undocumented behaviour."""

from dataclasses import fields
from itertools import groupby

from cleverreach_async.sandbox.faults import Fault
from cleverreach_async.sandbox.limits import AccountLimits

from .markup import Html, field, select, table, tag
from .switches import BehaviourSwitch, switches
from .view import PageView


def controls(view: PageView) -> list[Html]:
    """Return the sections."""
    return [_tokens(view), _faults(view), _limits(view), _switches(view)]


def _tokens(view: PageView) -> Html:
    """Return the OAuth app and the button that expires tokens."""
    account = view.account.account
    sql = "SELECT count(*) FROM access_tokens WHERE account = ? AND expires_at > ?"
    number = account.tokens.value(sql, account.id, account.now())
    facts = tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", tag("code", value)))
            for name, value in (
                ("Base URL", view.base_url),
                ("Client id", account.client_id),
                ("Valid access tokens", str(number)),
            )
        ),
    )
    button = view.form("expire-tokens", tag("button", "Expire all access tokens"))
    return view.section("tokens", "Access", facts, button)


# Faults.


def _faults(view: PageView) -> Html:
    """Return the current faults, each with a button, and the form that adds one."""
    rows = [
        (describe(fault), _remove(view, index, fault))
        for index, fault in enumerate(view.faults.current)
    ]
    shown = (
        table("Current faults", ("Fault", "Remove it"), rows)
        if rows
        else tag("p", "No fault is injected.")
    )
    hint = (
        "429=5%, 502=2%:committed, latency=200ms, hang=30s@1%, cut=1%, reset=1%, short_answer=1%,"
        " expire_token=1%; options follow a colon, such as 503:times=3"
    )
    spec = tag(
        "input",
        name="spec",
        value=view.typed.get("spec", ""),
        required=True,
        autocomplete="off",
        spellcheck="false",
        aria_describedby="spec-hint",
    )
    add = view.form(
        "add-fault",
        field("New fault, for all accounts", spec, hint=hint, hint_id="spec-hint"),
        tag("button", "Add"),
        class_="row",
    )
    return view.section("faults", "Faults", shown, add)


def _remove(view: PageView, index: int, fault: Fault) -> Html:
    """Return the button that removes a fault, unless the list has changed in the meantime."""
    return view.form(
        "remove-fault",
        tag("input", type="hidden", name="index", value=index),
        tag("input", type="hidden", name="fault", value=describe(fault)),
        tag("button", "Remove", tag("span", f" {describe(fault)}", class_="hidden")),
    )


def describe(fault: Fault) -> str:
    """Return a fault in words: its kind, and whatever is not the default."""
    words = [f"status {fault.code}" if fault.kind == "status" else fault.kind]
    if fault.rate < 1:
        words.append(f"{fault.rate:.4%}".rstrip("%").rstrip("0").rstrip(".") + " %")
    if fault.seconds:
        words.append(f"{fault.seconds:g} s")
    named = {"kind", "code", "rate", "seconds"}
    for it in fields(fault):
        value = getattr(fault, it.name)
        if it.name not in named and value != it.default:
            words.append(it.name if value is True else f"{it.name} {value}")
    return ", ".join(words)


# Limits.


def _limits(view: PageView) -> Html:
    """Return the form of the limits."""
    values = {**limit_texts(view.account.limits), **view.typed}

    def number(name: str, hint: str) -> Html:
        """Return an input with a hint."""
        control = tag("input", name=name, value=values[name], aria_describedby=f"{name}-hint")
        return field(_LIMIT_LABELS[name], control, hint=hint, hint_id=f"{name}-hint")

    form = view.form(
        "limits",
        number("rate", "Above it 429. Empty for no limit."),
        number("max_in_flight", "Above it 429. Empty for no limit."),
        number("outages", "503 between two seconds after the start, such as 10:30, 60:90."),
        field("Retry-After in a 429", select("retry_after", ("yes", "no"), values["retry_after"])),
        tag("button", "Apply limits"),
        class_="grid",
    )
    return view.section("limits", "Limits", form)


_LIMIT_LABELS = {
    "rate": "Requests per second",
    "max_in_flight": "Requests at once",
    "outages": "Outages",
}


def limit_texts(limits: AccountLimits) -> dict[str, str]:
    """Return the limits as the form has them."""
    return {
        "rate": "" if limits.rate is None else f"{limits.rate:g}",
        "max_in_flight": "" if limits.max_in_flight is None else str(limits.max_in_flight),
        "outages": ", ".join(f"{first:g}:{end:g}" for first, end in limits.outages),
        "retry_after": "yes" if limits.retry_after else "no",
    }


# Undocumented behaviour.


def _switches(view: PageView) -> Html:
    """Return the form of all switches."""
    behaviour = view.account.behaviour
    changed = [it.name for it in switches() if it.value_in(behaviour) != it.default]
    note = tag("p", f"Changed: {', '.join(changed)}." if changed else "All have their defaults.")
    blocks = [
        tag(
            "fieldset",
            tag("legend", heading),
            *(_switch(view, it, is_changed=it.name in changed) for it in of_heading),
        )
        for heading, of_heading in groupby(switches(), lambda it: it.heading)
    ]
    form = view.form("switches", *blocks, tag("button", "Apply switches"))
    is_refused = view.notice is not None and view.notice.section == "switches"
    summary = tag("summary", f"All {len(switches())} switches")
    details = tag("details", summary, form, open=is_refused)
    return view.section("switches", "Undocumented behaviour", note, details)


def _switch(view: PageView, switch: BehaviourSwitch, *, is_changed: bool) -> Html:
    """Return the control of a switch."""
    value = view.typed.get(switch.name, switch.value_in(view.account.behaviour))
    hint_id = f"{switch.name}-hint"
    if switch.choices:
        choices = switch.choices
        control = select(switch.name, choices, value, aria_describedby=hint_id)
    else:
        control = tag("input", name=switch.name, value=value, aria_describedby=hint_id)
    default = f" Default: {switch.default or 'nothing'}." if is_changed else ""
    label = f"{switch.name} (changed)" if is_changed else switch.name
    return field(label, control, hint=f"{switch.words}{default}".strip(), hint_id=hint_id)
