"""Values of rows that the response shows to be lost, where attributes are not checked before."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from cleverreach_async.bulk.rows import EncodedRow, email_key
from cleverreach_async.bulk.spellings import mailbox_of
from cleverreach_async.resources.lost_values import lost_attributes
from cleverreach_async.sources.rows import Remark
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.wire import Response, as_list, as_object

__all__ = ["lost_values"]

_decode: Final = msgspec.json.Decoder().decode
_IN_ROWS_WITH_ATTRIBUTES: Final = b'attributes":{'


def lost_values(
    rows: Sequence[EncodedRow], response: Response
) -> Iterator[tuple[EncodedRow, Remark]]:
    """Return a remark for each value that was sent and that the response does not have.

    Args:
        rows: Accepted rows.
        response: A response that holds whole receivers.
    """
    profiles = {
        email_key(str(profile.get("email"))): profile
        for profile in map(as_object, as_list(parse_json(response.content)))
    }
    similar: dict[str, dict[str, Any]] = {}
    for row in rows:
        if _IN_ROWS_WITH_ATTRIBUTES in row.body:
            sent = as_object(_decode(row.body))
            profile = profiles.get(row.key)
            if profile is None:
                similar = similar or {mailbox_of(key): it for key, it in profiles.items()}
                profile = similar.get(mailbox_of(row.key), {})
            for name in lost_attributes(sent, profile):
                yield row, Remark("dropped", f"attribute {name!r}: not stored by the server")
