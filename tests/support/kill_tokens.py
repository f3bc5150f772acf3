"""The tokens of the server of the killed imports."""

from typing import Any

__all__ = ["Tokens"]


class Tokens:
    """Issues and checks tokens; unless ``strict``, all tokens are valid.

    Args:
        strict: Whether only tokens issued here are valid.
        first: A refresh token that is valid from the start.
        grace: Whether a used refresh token stays valid until the next one is used.
        uses: Requests after which a token is refused.

    Attributes:
        issued: How many tokens were issued.
    """

    def __init__(
        self, *, strict: bool = False, first: str = "", grace: bool = True, uses: int = 10**9
    ) -> None:
        self.issued = 0
        self._uses = uses
        self._strict = strict
        self._grace = grace
        self._refresh = {first}
        self._parent: dict[str, str] = {}
        self._access: dict[str, int] = {}

    def issue(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Handle a request to the token endpoint; return the status and the response body."""
        [used] = form.get("refresh_token", [""])
        if form["grant_type"] == ["refresh_token"] and used not in self._refresh:
            return 400, {"error": "invalid_grant", "error_description": "used already"}
        self.issued += 1
        access, refresh = f"access-{self.issued}", f"refresh-{self.issued}"
        self._refresh.discard(self._parent.pop(used, ""))
        if not self._grace:
            self._refresh.discard(used)
        self._parent[refresh] = used
        self._refresh.add(refresh)
        self._access[access] = self._uses
        response: dict[str, Any] = {"access_token": access, "token_type": "bearer"}
        return 200, {**response, "expires_in": 3600, "refresh_token": refresh}

    def allow(self, head: bytes) -> bool:
        """Return whether the head of a request has a valid token."""
        _, _, rest = head.decode().partition("Bearer ")
        token = rest.split("\r\n")[0]
        left = self._access.get(token, 0)
        self._access[token] = left - 1
        return not self._strict or left > 0
