"""The tables of the sandbox."""

from typing import Final

VERSION = 1
"""The number of the schema; increase it when a table or a column is added."""

OLDEST_TABLE: Final = "access_tokens"
"""A table that the stores of all versions have, and hardly a database of another program."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS access_tokens (
    token TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, refresh_token TEXT,
    account INTEGER NOT NULL DEFAULT 129000
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refresh_tokens (
    token TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0,
    account INTEGER NOT NULL DEFAULT 129000, client_id TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (
    code TEXT PRIMARY KEY, redirect_uri TEXT NOT NULL, expires_at INTEGER NOT NULL,
    account INTEGER NOT NULL DEFAULT 129000, client_id TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
    owner INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS recipient_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, locked INTEGER NOT NULL,
    backup INTEGER NOT NULL, receiver_info TEXT NOT NULL, stamp INTEGER NOT NULL,
    last_mailing INTEGER NOT NULL DEFAULT 0, last_changed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS attributes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL, name TEXT NOT NULL,
    type TEXT NOT NULL, description TEXT NOT NULL, preview_value TEXT NOT NULL,
    default_value TEXT, tag TEXT NOT NULL, UNIQUE (group_id, name)
);

CREATE TABLE IF NOT EXISTS receivers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, email_key TEXT NOT NULL UNIQUE, email TEXT NOT NULL,
    global_attributes TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE IF NOT EXISTS members (
    group_id INTEGER NOT NULL, receiver_id INTEGER NOT NULL,
    registered INTEGER NOT NULL, activated INTEGER NOT NULL, deactivated INTEGER NOT NULL,
    imported INTEGER NOT NULL, bounced INTEGER NOT NULL, last_changed INTEGER NOT NULL,
    source TEXT NOT NULL, attributes TEXT NOT NULL, tags TEXT NOT NULL,
    PRIMARY KEY (group_id, receiver_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_by_receiver ON members (receiver_id);
CREATE TABLE IF NOT EXISTS orders (
    line INTEGER PRIMARY KEY AUTOINCREMENT, receiver_id INTEGER NOT NULL,
    order_id TEXT NOT NULL, product TEXT NOT NULL, data TEXT NOT NULL,
    saved INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS orders_by_receiver ON orders (receiver_id);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, receiver_id INTEGER NOT NULL,
    group_id INTEGER NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_receiver ON events (receiver_id);

CREATE TABLE IF NOT EXISTS forms (
    id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL, name TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT, form_id INTEGER NOT NULL, group_id INTEGER NOT NULL,
    receiver_id INTEGER NOT NULL, email TEXT NOT NULL, kind TEXT NOT NULL, doidata TEXT NOT NULL,
    stamp INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS mailings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, finished INTEGER NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS previews (
    id INTEGER PRIMARY KEY AUTOINCREMENT, mailing_id INTEGER NOT NULL, email TEXT NOT NULL,
    note TEXT NOT NULL, stamp INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS channels (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS templates (
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS automations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, store_id TEXT NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS carts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, receiver_id INTEGER NOT NULL, cart_id TEXT NOT NULL,
    data TEXT NOT NULL, stamp INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS blacklist (
    group_id INTEGER NOT NULL, email_key TEXT NOT NULL, email TEXT NOT NULL,
    comment TEXT NOT NULL, stamp INTEGER NOT NULL, locked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (group_id, email_key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bounces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL, data TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS filters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, group_id INTEGER NOT NULL, name TEXT NOT NULL,
    operator TEXT NOT NULL, rules TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS my_content (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL UNIQUE,
    data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS flows (
    uuid TEXT PRIMARY KEY, name TEXT NOT NULL, playbook TEXT NOT NULL, group_id INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments (
    client_id INTEGER NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (client_id, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, condition TEXT NOT NULL,
    url TEXT NOT NULL, verify TEXT NOT NULL, call_token TEXT NOT NULL, secret TEXT NOT NULL,
    UNIQUE (event, condition)
);
CREATE TABLE IF NOT EXISTS hook_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, group_id INTEGER NOT NULL,
    receiver_id INTEGER, email TEXT, object_id INTEGER, shared INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS hook_events_by_receiver ON hook_events (receiver_id);
"""

_ACCOUNT = ("account", "INTEGER NOT NULL DEFAULT 129000")
_APP = ("client_id", "TEXT NOT NULL DEFAULT ''")
ADDED_COLUMNS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "access_tokens": (_ACCOUNT,),
    "refresh_tokens": (_ACCOUNT, _APP),
    "codes": (_ACCOUNT, _APP),
    "orders": (("saved", "INTEGER NOT NULL DEFAULT 0"),),
    "hook_events": (("object_id", "INTEGER"),),
}
"""Columns that files of earlier versions lack: name and definition by table."""

FIRST_IDS = {
    "recipient_groups": 540_000,
    "attributes": 80,
    "forms": 3_000,
    "mailings": 77_000,
    "filters": 25_000,
    "my_content": 6_000,
    "accounts": 129_000,
    "channels": 900,
    "templates": 12_000,
    "automations": 41_000,
}
"""The first ids of a new database; they differ so that ids of two kinds are never equal."""
