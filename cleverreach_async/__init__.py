"""Async Python client for the CleverReach REST API v3.

Every public name is imported from here. Each is loaded when it is first used, so that importing
the package costs next to nothing.
"""

from typing import TYPE_CHECKING, Final

from cleverreach_async.lazy_names import lazy_names
from cleverreach_async.version import __version__

if TYPE_CHECKING:
    from cleverreach_async.accounts import Accounts
    from cleverreach_async.auth.app import BearerToken, OAuthApp, check_state, new_state
    from cleverreach_async.auth.file_store import FileTokenStore
    from cleverreach_async.auth.grants import ClientCredentials, UserToken
    from cleverreach_async.auth.redis_account import RedisAccount
    from cleverreach_async.auth.redis_store import RedisTokenStore
    from cleverreach_async.auth.stores import CallbackTokenStore, MemoryTokenStore, TokenStore
    from cleverreach_async.auth.tokens import Token
    from cleverreach_async.bulk.export.export import Export, ExportReport
    from cleverreach_async.bulk.journal.redis_store import RedisJournal
    from cleverreach_async.bulk.journal.sql_store import SqlJournal
    from cleverreach_async.bulk.journal.store import JournalEntry, JournalStore
    from cleverreach_async.bulk.options import ImportOptions
    from cleverreach_async.bulk.outcomes.results import Results, ResultStream
    from cleverreach_async.bulk.report import ImportProgress, ImportReport
    from cleverreach_async.bulk.rows import Outcome, RowResult
    from cleverreach_async.bulk.run import ImportRun
    from cleverreach_async.bulk.sync.options import SyncOptions
    from cleverreach_async.bulk.sync.report import SyncReport
    from cleverreach_async.bulk.verify.report import Difference, VerifyReport
    from cleverreach_async.client import CleverReach
    from cleverreach_async.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        CleverReachError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        DuplicateReceiverError,
        ImportFailedError,
        InternalServerError,
        JournalError,
        NotFoundError,
        OutboxError,
        PayloadTooLargeError,
        PermissionDeniedError,
        RateLimitError,
        ResponseDecodeError,
        SourceError,
        SyncFailedError,
        SyncStateError,
        TokenError,
        TokenStoreError,
        TooManyRejectsError,
        UnprocessableEntityError,
    )
    from cleverreach_async.outbox.entries import OutboxEntry
    from cleverreach_async.outbox.outbox import Outbox, PostgresOutbox
    from cleverreach_async.outbox.settings import SendingOptions
    from cleverreach_async.resources.account_receivers import ReceiverAttribute
    from cleverreach_async.resources.attributes import Attribute
    from cleverreach_async.resources.automation import AbandonedCart, CartAutomation, CartItem
    from cleverreach_async.resources.background_orders import BackgroundOrders
    from cleverreach_async.resources.blacklist import BlacklistEntry
    from cleverreach_async.resources.bounces import Bounce
    from cleverreach_async.resources.channels import Channel
    from cleverreach_async.resources.clients import ClientAccount, ClientPlan, ClientUser
    from cleverreach_async.resources.debug import TokenTTL, Whoami
    from cleverreach_async.resources.filters import Filter
    from cleverreach_async.resources.flows import Flow, FlowSetup
    from cleverreach_async.resources.forms import Form
    from cleverreach_async.resources.groups import Group, GroupStats
    from cleverreach_async.resources.mailing_models import Mailing, MailingPreview
    from cleverreach_async.resources.my_content import MyContent
    from cleverreach_async.resources.order_models import Order, OrderInput
    from cleverreach_async.resources.order_results import OrderResult, OrderStatus
    from cleverreach_async.resources.pages import Page, Paginator
    from cleverreach_async.resources.receiver_models import (
        BatchItem,
        Detail,
        Event,
        Receiver,
        ReceiverInput,
    )
    from cleverreach_async.resources.reports import Report
    from cleverreach_async.resources.rules import FieldOf, FilterRule, Operand, Rules, where
    from cleverreach_async.resources.sign_up import SignUp, SignUpOutcome
    from cleverreach_async.resources.tags import Tag
    from cleverreach_async.resources.templates import MailingTemplate
    from cleverreach_async.resources.unset import UNSET, Unset
    from cleverreach_async.resources.webhooks import Webhook, WebhookRegistration
    from cleverreach_async.sources import (
        in_thread,
        read_arrow,
        read_csv,
        read_cursor,
        read_excel,
        read_json_lines,
        read_json_list,
        read_parquet,
        read_records,
        read_rows,
    )
    from cleverreach_async.sources.rows import BadRow, SourceRow
    from cleverreach_async.transport.passage import SharedAccount
    from cleverreach_async.transport.redaction import Secret
    from cleverreach_async.transport.response_info import ResponseInfo
    from cleverreach_async.transport.retry import Fault, RetryPolicy
    from cleverreach_async.transport.stop import StopRequestedError
    from cleverreach_async.transport.transport import RequestEvent
    from cleverreach_async.webhooks.asgi import WebhookApp
    from cleverreach_async.webhooks.django import django_webhook
    from cleverreach_async.webhooks.endpoint import WebhookEndpoint
    from cleverreach_async.webhooks.events import (
        AutomationEvent,
        FilterEvent,
        FormEvent,
        GroupEvent,
        ReceiverEvent,
        WebhookEvent,
    )
    from cleverreach_async.webhooks.keys import WebhookKeys
    from cleverreach_async.webhooks.redis_repeats import RedisRepeatStore
    from cleverreach_async.webhooks.repeats import Claim, MemoryRepeatStore, RepeatStore
    from cleverreach_async.webhooks.requests import WebhookResponse

_HOMES: Final = {
    "accounts": ("Accounts",),
    "auth.app": ("BearerToken", "OAuthApp", "check_state", "new_state"),
    "auth.grants": ("ClientCredentials", "UserToken"),
    "auth.file_store": ("FileTokenStore",),
    "auth.redis_account": ("RedisAccount",),
    "auth.redis_store": ("RedisTokenStore",),
    "auth.stores": ("CallbackTokenStore", "MemoryTokenStore", "TokenStore"),
    "auth.tokens": ("Token",),
    "bulk.export.export": ("Export", "ExportReport"),
    "bulk.journal.redis_store": ("RedisJournal",),
    "bulk.journal.sql_store": ("SqlJournal",),
    "bulk.journal.store": ("JournalEntry", "JournalStore"),
    "bulk.options": ("ImportOptions",),
    "bulk.report": ("ImportProgress", "ImportReport"),
    "bulk.outcomes.results": ("ResultStream", "Results"),
    "bulk.rows": ("Outcome", "RowResult"),
    "bulk.run": ("ImportRun",),
    "bulk.sync.options": ("SyncOptions",),
    "bulk.sync.report": ("SyncReport",),
    "bulk.verify.report": ("Difference", "VerifyReport"),
    "sources": (
        "in_thread",
        "read_arrow",
        "read_csv",
        "read_cursor",
        "read_excel",
        "read_json_lines",
        "read_json_list",
        "read_parquet",
        "read_records",
        "read_rows",
    ),
    "client": ("CleverReach",),
    "errors": (
        "APIConnectionError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "CleverReachError",
        "ClientClosedError",
        "ConfigurationError",
        "ConflictError",
        "DuplicateReceiverError",
        "ImportFailedError",
        "InternalServerError",
        "JournalError",
        "NotFoundError",
        "OutboxError",
        "PayloadTooLargeError",
        "PermissionDeniedError",
        "RateLimitError",
        "ResponseDecodeError",
        "SourceError",
        "SyncFailedError",
        "SyncStateError",
        "TokenError",
        "TokenStoreError",
        "TooManyRejectsError",
        "UnprocessableEntityError",
    ),
    "outbox.entries": ("OutboxEntry",),
    "outbox.outbox": ("Outbox", "PostgresOutbox"),
    "outbox.settings": ("SendingOptions",),
    "resources.account_receivers": ("ReceiverAttribute",),
    "resources.attributes": ("Attribute",),
    "resources.rules": ("FieldOf", "FilterRule", "Operand", "Rules", "where"),
    "resources.my_content": ("MyContent",),
    "resources.flows": ("Flow", "FlowSetup"),
    "resources.filters": ("Filter",),
    "resources.clients": ("ClientAccount", "ClientPlan", "ClientUser"),
    "resources.bounces": ("Bounce",),
    "resources.blacklist": ("BlacklistEntry",),
    "resources.background_orders": ("BackgroundOrders",),
    "resources.automation": ("AbandonedCart", "CartAutomation", "CartItem"),
    "resources.channels": ("Channel",),
    "resources.debug": ("TokenTTL", "Whoami"),
    "resources.forms": ("Form",),
    "resources.groups": ("Group", "GroupStats"),
    "resources.mailing_models": ("Mailing", "MailingPreview"),
    "resources.order_models": ("Order", "OrderInput"),
    "resources.order_results": ("OrderResult", "OrderStatus"),
    "resources.pages": ("Page", "Paginator"),
    "resources.receiver_models": ("BatchItem", "Detail", "Event", "Receiver", "ReceiverInput"),
    "resources.reports": ("Report",),
    "resources.sign_up": ("SignUp", "SignUpOutcome"),
    "resources.tags": ("Tag",),
    "resources.templates": ("MailingTemplate",),
    "resources.unset": ("UNSET", "Unset"),
    "resources.webhooks": ("Webhook", "WebhookRegistration"),
    "sources.rows": ("BadRow", "SourceRow"),
    "transport.passage": ("SharedAccount",),
    "transport.redaction": ("Secret",),
    "transport.response_info": ("ResponseInfo",),
    "transport.retry": ("Fault", "RetryPolicy"),
    "transport.stop": ("StopRequestedError",),
    "transport.transport": ("RequestEvent",),
    "webhooks.asgi": ("WebhookApp",),
    "webhooks.django": ("django_webhook",),
    "webhooks.endpoint": ("WebhookEndpoint",),
    "webhooks.events": (
        "AutomationEvent",
        "FilterEvent",
        "FormEvent",
        "GroupEvent",
        "ReceiverEvent",
        "WebhookEvent",
    ),
    "webhooks.redis_repeats": ("RedisRepeatStore",),
    "webhooks.keys": ("WebhookKeys",),
    "webhooks.repeats": ("Claim", "MemoryRepeatStore", "RepeatStore"),
    "webhooks.requests": ("WebhookResponse",),
}
_loaders: Final = lazy_names(__name__, _HOMES)
__getattr__: Final = _loaders[0]
__dir__: Final = _loaders[1]

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AbandonedCart",
    "Accounts",
    "Attribute",
    "AuthenticationError",
    "AutomationEvent",
    "BackgroundOrders",
    "BadRequestError",
    "BadRow",
    "BatchItem",
    "BearerToken",
    "BlacklistEntry",
    "Bounce",
    "CallbackTokenStore",
    "CartAutomation",
    "CartItem",
    "Channel",
    "Claim",
    "CleverReach",
    "CleverReachError",
    "ClientAccount",
    "ClientClosedError",
    "ClientCredentials",
    "ClientPlan",
    "ClientUser",
    "ConfigurationError",
    "ConflictError",
    "Detail",
    "Difference",
    "DuplicateReceiverError",
    "Event",
    "Export",
    "ExportReport",
    "Fault",
    "FieldOf",
    "FileTokenStore",
    "Filter",
    "FilterEvent",
    "FilterRule",
    "Flow",
    "FlowSetup",
    "Form",
    "FormEvent",
    "Group",
    "GroupEvent",
    "GroupStats",
    "ImportFailedError",
    "ImportOptions",
    "ImportProgress",
    "ImportReport",
    "ImportRun",
    "InternalServerError",
    "JournalEntry",
    "JournalError",
    "JournalStore",
    "Mailing",
    "MailingPreview",
    "MailingTemplate",
    "MemoryRepeatStore",
    "MemoryTokenStore",
    "MyContent",
    "NotFoundError",
    "OAuthApp",
    "Operand",
    "Order",
    "OrderInput",
    "OrderResult",
    "OrderStatus",
    "Outbox",
    "OutboxEntry",
    "OutboxError",
    "Outcome",
    "Page",
    "Paginator",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PostgresOutbox",
    "RateLimitError",
    "Receiver",
    "ReceiverAttribute",
    "ReceiverEvent",
    "ReceiverInput",
    "RedisAccount",
    "RedisJournal",
    "RedisRepeatStore",
    "RedisTokenStore",
    "RepeatStore",
    "Report",
    "RequestEvent",
    "ResponseDecodeError",
    "ResponseInfo",
    "ResultStream",
    "Results",
    "RetryPolicy",
    "RowResult",
    "Rules",
    "Secret",
    "SendingOptions",
    "SharedAccount",
    "SignUp",
    "SignUpOutcome",
    "SourceError",
    "SourceRow",
    "SqlJournal",
    "StopRequestedError",
    "SyncFailedError",
    "SyncOptions",
    "SyncReport",
    "SyncStateError",
    "Tag",
    "Token",
    "TokenError",
    "TokenStore",
    "TokenStoreError",
    "TokenTTL",
    "TooManyRejectsError",
    "UnprocessableEntityError",
    "Unset",
    "UserToken",
    "VerifyReport",
    "Webhook",
    "WebhookApp",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookKeys",
    "WebhookRegistration",
    "WebhookResponse",
    "Whoami",
    "__version__",
    "check_state",
    "django_webhook",
    "in_thread",
    "new_state",
    "read_arrow",
    "read_csv",
    "read_cursor",
    "read_excel",
    "read_json_lines",
    "read_json_list",
    "read_parquet",
    "read_records",
    "read_rows",
    "where",
]
