"""Async Python client for the CleverReach REST API v3.

Every public name is imported from here. Each is loaded when it is first used, so that importing
the package costs next to nothing.
"""

from typing import TYPE_CHECKING, Final

from cleverreach_async.lazy_names import lazy_names
from cleverreach_async.version import __version__

if TYPE_CHECKING:
    from cleverreach_async.auth.app import BearerToken, OAuthApp, check_state, new_state
    from cleverreach_async.auth.file_store import FileTokenStore
    from cleverreach_async.auth.grants import ClientCredentials, UserToken
    from cleverreach_async.auth.redis_store import RedisTokenStore
    from cleverreach_async.auth.stores import CallbackTokenStore, MemoryTokenStore, TokenStore
    from cleverreach_async.auth.tokens import Token
    from cleverreach_async.bulk.export.export import Export, ExportReport
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
    from cleverreach_async.resources.attributes import Attribute
    from cleverreach_async.resources.debug import TokenTTL, Whoami
    from cleverreach_async.resources.forms import Form
    from cleverreach_async.resources.groups import Group, GroupStats
    from cleverreach_async.resources.mailings import Mailing
    from cleverreach_async.resources.order_models import Order, OrderInput
    from cleverreach_async.resources.pages import Page, Paginator
    from cleverreach_async.resources.receiver_models import (
        BatchItem,
        Detail,
        Event,
        Receiver,
        ReceiverInput,
    )
    from cleverreach_async.resources.reports import Report
    from cleverreach_async.resources.tags import Tag
    from cleverreach_async.resources.unset import UNSET, Unset
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
    from cleverreach_async.transport.redaction import Secret
    from cleverreach_async.transport.retry import Fault, RetryPolicy
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
    "auth.app": ("BearerToken", "OAuthApp", "check_state", "new_state"),
    "auth.grants": ("ClientCredentials", "UserToken"),
    "auth.file_store": ("FileTokenStore",),
    "auth.redis_store": ("RedisTokenStore",),
    "auth.stores": ("CallbackTokenStore", "MemoryTokenStore", "TokenStore"),
    "auth.tokens": ("Token",),
    "bulk.export.export": ("Export", "ExportReport"),
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
    "resources.attributes": ("Attribute",),
    "resources.debug": ("TokenTTL", "Whoami"),
    "resources.forms": ("Form",),
    "resources.groups": ("Group", "GroupStats"),
    "resources.mailings": ("Mailing",),
    "resources.order_models": ("Order", "OrderInput"),
    "resources.pages": ("Page", "Paginator"),
    "resources.receiver_models": ("BatchItem", "Detail", "Event", "Receiver", "ReceiverInput"),
    "resources.reports": ("Report",),
    "resources.tags": ("Tag",),
    "resources.unset": ("UNSET", "Unset"),
    "sources.rows": ("BadRow", "SourceRow"),
    "transport.redaction": ("Secret",),
    "transport.retry": ("Fault", "RetryPolicy"),
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
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "Attribute",
    "AuthenticationError",
    "AutomationEvent",
    "BadRequestError",
    "BadRow",
    "BatchItem",
    "BearerToken",
    "CallbackTokenStore",
    "Claim",
    "CleverReach",
    "CleverReachError",
    "ClientClosedError",
    "ClientCredentials",
    "ConfigurationError",
    "ConflictError",
    "Detail",
    "Difference",
    "DuplicateReceiverError",
    "Event",
    "Export",
    "ExportReport",
    "Fault",
    "FileTokenStore",
    "FilterEvent",
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
    "JournalError",
    "Mailing",
    "MemoryRepeatStore",
    "MemoryTokenStore",
    "NotFoundError",
    "OAuthApp",
    "Order",
    "OrderInput",
    "Outcome",
    "Page",
    "Paginator",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "RateLimitError",
    "Receiver",
    "ReceiverEvent",
    "ReceiverInput",
    "RedisRepeatStore",
    "RedisTokenStore",
    "RepeatStore",
    "Report",
    "RequestEvent",
    "ResponseDecodeError",
    "ResultStream",
    "Results",
    "RetryPolicy",
    "RowResult",
    "Secret",
    "SourceError",
    "SourceRow",
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
    "WebhookApp",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookKeys",
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
]
