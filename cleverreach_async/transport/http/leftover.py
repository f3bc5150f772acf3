"""Notice bytes that follow a response on its connection.

httpcore keeps them, and takes them for the beginning of the next response. So if a server or proxy
sends a response twice, or a body that is longer than it says, every later call over the connection
gets the response to an earlier one, perhaps to one of another account.
"""

from typing import Any, Final

__all__ = ["refuse_leftover"]

_WRAPPED: Final = ("_stream", "_httpcore_stream", "_connection")
_MOST_WRAPPERS: Final = 8


def refuse_leftover(stream: Any) -> None:
    """Have a connection closed with its response if something follows the response.

    There is no public way. Connections of HTTP/2 number their responses.

    Args:
        stream: The stream of the response, of httpcore or of a library over it. It has been read
            and is not closed yet, so that no other request has got the connection.
    """
    for _ in range(_MOST_WRAPPERS):
        parser = getattr(stream, "_h11_state", None)
        if parser is not None:
            if parser.trailing_data[0]:
                parser.send_failed()  # so it takes no further request
            return
        inner = (getattr(stream, name, None) for name in _WRAPPED)
        stream = next((it for it in inner if it is not None), None)
