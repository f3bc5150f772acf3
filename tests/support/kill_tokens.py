"""The tokens of the server of the killed imports."""

from typing import Any

__all__ = ["Tokens"]


class Tokens:
    """Issues tokens, and knows which are in force; unless asked to be strict, it takes any.

    Args:
        strict: Whether only tokens issued here are taken.
        first: A refresh token that works from the start.
        grace: Whether a refresh token works on after it was used, until its successor is used.
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
        """Answer at the token endpoint; returns the status and the response."""
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
        """Whether the head of a request carries a token in force."""
        _, _, rest = head.decode().partition("Bearer ")
        token = rest.split("\r\n")[0]
        left = self._access.get(token, 0)
        self._access[token] = left - 1
        return not self._strict or left > 0
