"""Errors of the sandbox and their response bodies."""

from http import HTTPStatus
from typing import Any, Literal

ErrorShape = Literal["nested", "flat", "string"]

REFUSALS = frozenset({400, 404, 409})
"""Statuses about one call; 401, 403 and 413 are about the caller."""


class ApiError(Exception):
    """An error of the API, in the vendor's words.

    Attributes:
        code: The HTTP status, which the body repeats.
        message: The text in the body.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class OAuthError(Exception):
    """An error of the OAuth endpoints, which have a body shape of their own.

    Attributes:
        error: The OAuth error code.
        description: The human-readable text.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error, description)
        self.error = error
        self.description = description

    def body(self) -> dict[str, str]:
        """Return the JSON body."""
        # H: a live request to the token endpoint got exactly these two keys, with HTTP 400.
        return {"error": self.error, "error_description": self.description}


def not_found(what: str = "") -> ApiError:
    """Return a 404 in the vendor's words, e.g. ``Not Found: invalid receiver`` (H)."""
    return ApiError(404, f"Not Found: invalid {what}" if what else "Not Found")


def bad_value(name: str, expecting: str) -> ApiError:
    """Return a 400 for a parameter, in the words recorded for ``time`` (M)."""
    return ApiError(400, f"Invalid value specified for `{name}`. Expecting {expecting}")


def error_body(code: int, message: str, shape: ErrorShape = "nested") -> dict[str, Any]:
    """Return the JSON body of an error in one of the known shapes."""
    if shape == "flat":
        return {"message": message}
    if shape == "string":
        return {"error": message}
    return {"error": {"code": code, "message": message}}


def phrase(code: int) -> str:
    """Return the reason phrase of a status, or "Error" for an unknown one."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Error"
