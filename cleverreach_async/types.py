"""The types that signatures name and that few programs import, to annotate functions with.

What a program makes itself is imported from the package. Here are the nouns such as ``Groups``,
which ``cr.groups`` is, the sources that ``read_csv`` and its siblings return, types of arguments
such as ``Source``, and the protocols of what may be passed in, such as ``Clock``. Each is loaded
when it is first used.
"""

from typing import TYPE_CHECKING, Final

from cleverreach_async.lazy_names import lazy_names

if TYPE_CHECKING:
    from cleverreach_async.auth.app import Callback
    from cleverreach_async.auth.grants import Client
    from cleverreach_async.bulk.attributes.account import AttributeMode
    from cleverreach_async.bulk.export.formats import ExportFormat
    from cleverreach_async.bulk.importer import Bulk
    from cleverreach_async.bulk.intake.reading import Source
    from cleverreach_async.bulk.journal.opening import JournalPlace, Resume
    from cleverreach_async.bulk.outcomes.checkpoint import OnAccepted
    from cleverreach_async.bulk.report import OnProgress, RemarkCount
    from cleverreach_async.bulk.strategies import StrategyName
    from cleverreach_async.client import ClientOptions
    from cleverreach_async.outbox.entries import EntryState
    from cleverreach_async.outbox.sender import ClientOf
    from cleverreach_async.resources.attribute_names import AttributeType
    from cleverreach_async.resources.attributes import Attributes
    from cleverreach_async.resources.automation import Automation, Price
    from cleverreach_async.resources.blacklist import Blacklist
    from cleverreach_async.resources.bounces import Bounces
    from cleverreach_async.resources.channels import Channels
    from cleverreach_async.resources.clients import Clients
    from cleverreach_async.resources.debug import Debug
    from cleverreach_async.resources.drafts import MailingSettings
    from cleverreach_async.resources.events import Events
    from cleverreach_async.resources.field_types import AttributeValues, Extra, Number
    from cleverreach_async.resources.filters import Filters
    from cleverreach_async.resources.flows import Flows
    from cleverreach_async.resources.forms import Forms
    from cleverreach_async.resources.groups import GroupOrder, Groups
    from cleverreach_async.resources.kept_orders import OrderKeeper
    from cleverreach_async.resources.live_orders import LiveOrders
    from cleverreach_async.resources.mailing_models import MailingGroups, MailingLink, MailingState
    from cleverreach_async.resources.mailings import Mailings
    from cleverreach_async.resources.my_content import MyContents
    from cleverreach_async.resources.oauth import OAuth
    from cleverreach_async.resources.orders import OrderLike
    from cleverreach_async.resources.receiver_arguments import ReceiverLike
    from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverState
    from cleverreach_async.resources.receivers import Receivers
    from cleverreach_async.resources.reports import Reaction, ReportCounters, Reports
    from cleverreach_async.resources.rules import Joint
    from cleverreach_async.resources.tags import TagOrder, Tags
    from cleverreach_async.resources.templates import Templates
    from cleverreach_async.resources.webhooks import Webhooks
    from cleverreach_async.sources.arrow import ArrowSource, ParquetSource
    from cleverreach_async.sources.chunked_rows import RowChunk
    from cleverreach_async.sources.column_options import ColumnParameters
    from cleverreach_async.sources.content import Content, FilePath
    from cleverreach_async.sources.csv_file import CsvSource
    from cleverreach_async.sources.database import CursorSource, QuerySource
    from cleverreach_async.sources.excel import ExcelSource
    from cleverreach_async.sources.file_source import FileSource
    from cleverreach_async.sources.files import RowFile
    from cleverreach_async.sources.json_lines import JsonLinesSource
    from cleverreach_async.sources.json_list import JsonListSource
    from cleverreach_async.sources.records import AsyncRecordSource, RecordSource
    from cleverreach_async.sources.resumable import Position
    from cleverreach_async.sources.row_repair import ReadRow
    from cleverreach_async.sources.rows import Item, Remark
    from cleverreach_async.sources.threads import ThreadedRows
    from cleverreach_async.transport.clock import Clock, Random
    from cleverreach_async.transport.passage import Gate, Passage
    from cleverreach_async.transport.redaction import Masked
    from cleverreach_async.transport.retry import Diagnosis
    from cleverreach_async.transport.stop import Stop
    from cleverreach_async.transport.token_source import Credential, Renewal, TokenSource
    from cleverreach_async.transport.transport import Auth, Call
    from cleverreach_async.transport.wire import Request, Response
    from cleverreach_async.webhooks.endpoint import Keys
    from cleverreach_async.webhooks.requests import Headers

_HOMES: Final[dict[str, tuple[str, ...]]] = {
    "auth.app": ("Callback",),
    "auth.grants": ("Client",),
    "bulk.attributes.account": ("AttributeMode",),
    "bulk.export.formats": ("ExportFormat",),
    "bulk.importer": ("Bulk",),
    "bulk.intake.reading": ("Source",),
    "bulk.journal.opening": ("JournalPlace", "Resume"),
    "bulk.outcomes.checkpoint": ("OnAccepted",),
    "bulk.report": ("OnProgress", "RemarkCount"),
    "bulk.strategies": ("StrategyName",),
    "client": ("ClientOptions",),
    "outbox.entries": ("EntryState",),
    "outbox.sender": ("ClientOf",),
    "resources.attribute_names": ("AttributeType",),
    "resources.attributes": ("Attributes",),
    "resources.automation": ("Automation", "Price"),
    "resources.blacklist": ("Blacklist",),
    "resources.bounces": ("Bounces",),
    "resources.channels": ("Channels",),
    "resources.clients": ("Clients",),
    "resources.debug": ("Debug",),
    "resources.drafts": ("MailingSettings",),
    "resources.events": ("Events",),
    "resources.field_types": ("AttributeValues", "Extra", "Number"),
    "resources.filters": ("Filters",),
    "resources.flows": ("Flows",),
    "resources.forms": ("Forms",),
    "resources.groups": ("GroupOrder", "Groups"),
    "resources.kept_orders": ("OrderKeeper",),
    "resources.live_orders": ("LiveOrders",),
    "resources.mailing_models": ("MailingGroups", "MailingLink", "MailingState"),
    "resources.mailings": ("Mailings",),
    "resources.my_content": ("MyContents",),
    "resources.oauth": ("OAuth",),
    "resources.orders": ("OrderLike",),
    "resources.receiver_arguments": ("ReceiverLike",),
    "resources.receiver_models": ("AttributeValue", "ReceiverState"),
    "resources.receivers": ("Receivers",),
    "resources.reports": ("Reaction", "ReportCounters", "Reports"),
    "resources.rules": ("Joint",),
    "resources.tags": ("TagOrder", "Tags"),
    "resources.templates": ("Templates",),
    "resources.webhooks": ("Webhooks",),
    "sources.arrow": ("ArrowSource", "ParquetSource"),
    "sources.chunked_rows": ("RowChunk",),
    "sources.column_options": ("ColumnParameters",),
    "sources.content": ("Content", "FilePath"),
    "sources.csv_file": ("CsvSource",),
    "sources.database": ("CursorSource", "QuerySource"),
    "sources.excel": ("ExcelSource",),
    "sources.file_source": ("FileSource",),
    "sources.files": ("RowFile",),
    "sources.json_lines": ("JsonLinesSource",),
    "sources.json_list": ("JsonListSource",),
    "sources.records": ("AsyncRecordSource", "RecordSource"),
    "sources.resumable": ("Position",),
    "sources.row_repair": ("ReadRow",),
    "sources.rows": ("Item", "Remark"),
    "sources.threads": ("ThreadedRows",),
    "transport.clock": ("Clock", "Random"),
    "transport.passage": ("Gate", "Passage"),
    "transport.redaction": ("Masked",),
    "transport.retry": ("Diagnosis",),
    "transport.stop": ("Stop",),
    "transport.token_source": ("Credential", "Renewal", "TokenSource"),
    "transport.transport": ("Auth", "Call"),
    "transport.wire": ("Request", "Response"),
    "webhooks.endpoint": ("Keys",),
    "webhooks.requests": ("Headers",),
}

_loaders: Final = lazy_names(__name__, _HOMES, package="cleverreach_async")
__getattr__: Final = _loaders[0]
__dir__: Final = _loaders[1]

__all__ = [
    "ArrowSource",
    "AsyncRecordSource",
    "AttributeMode",
    "AttributeType",
    "AttributeValue",
    "AttributeValues",
    "Attributes",
    "Auth",
    "Automation",
    "Blacklist",
    "Bounces",
    "Bulk",
    "Call",
    "Callback",
    "Channels",
    "Client",
    "ClientOf",
    "ClientOptions",
    "Clients",
    "Clock",
    "ColumnParameters",
    "Content",
    "Credential",
    "CsvSource",
    "CursorSource",
    "Debug",
    "Diagnosis",
    "EntryState",
    "Events",
    "ExcelSource",
    "ExportFormat",
    "Extra",
    "FilePath",
    "FileSource",
    "Filters",
    "Flows",
    "Forms",
    "Gate",
    "GroupOrder",
    "Groups",
    "Headers",
    "Item",
    "Joint",
    "JournalPlace",
    "JsonLinesSource",
    "JsonListSource",
    "Keys",
    "LiveOrders",
    "MailingGroups",
    "MailingLink",
    "MailingSettings",
    "MailingState",
    "Mailings",
    "Masked",
    "MyContents",
    "Number",
    "OAuth",
    "OnAccepted",
    "OnProgress",
    "OrderKeeper",
    "OrderLike",
    "ParquetSource",
    "Passage",
    "Position",
    "Price",
    "QuerySource",
    "Random",
    "Reaction",
    "ReadRow",
    "ReceiverLike",
    "ReceiverState",
    "Receivers",
    "RecordSource",
    "Remark",
    "RemarkCount",
    "Renewal",
    "ReportCounters",
    "Reports",
    "Request",
    "Response",
    "Resume",
    "RowChunk",
    "RowFile",
    "Source",
    "Stop",
    "StrategyName",
    "TagOrder",
    "Tags",
    "Templates",
    "ThreadedRows",
    "TokenSource",
    "Webhooks",
]
