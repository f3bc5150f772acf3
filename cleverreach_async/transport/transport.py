"""One call: token → gate → send → diagnose → retry.

Ordinary calls are retried here. The importer sends single attempts through the same gate and budget
and decides itself about retries, so that retries never multiply.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    CleverReachError,
    ConfigurationError,
)
from cleverreach_async.transport.clock import SYSTEM_CLOCK, SYSTEM_RANDOM, Clock, Random
from cleverreach_async.transport.error_bodies import error_in
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.hiding import hide_in_error
from cleverreach_async.transport.http.sender import Sender
from cleverreach_async.transport.passage import Gate, SharedAccount
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.response_info import ResponseInfo, info_of
from cleverreach_async.transport.retry import (
    Diagnosis,
    RetryBudget,
    RetryPolicy,
    diagnose,
    wait_before,
)
from cleverreach_async.transport.shared.local_share import LimitedGate
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.token_source import Credential, TokenSource, send_with_token
from cleverreach_async.transport.wire import Request, Response

__all__ = [
    "Account",
    "Auth",
    "Call",
    "RequestEvent",
    "Transport",
]

E = TypeVar("E")

_log: Final = logging.getLogger("cleverreach_async")
_log.addHandler(logging.NullHandler())

# Other calls wait for the token and cannot be cancelled meanwhile, so they must not wait long.
_TOKEN_TIMEOUT: Final = 15.0
_TOKEN_ATTEMPTS: Final = 3
_TOKEN_MAX_RETRY_AFTER: Final = 5.0

Call = Callable[[Request], Awaitable[Response]]


class Auth(Protocol):
    """A way to authenticate, not yet bound to a client."""

    def bind(self, call: Call, clock: Clock) -> TokenSource:
        """Return the source of tokens.

        Args:
            call: Sends a request to the token endpoint.
            clock: Source of time.
        """
        ...


@attrs.frozen(kw_only=True)
class RequestEvent:
    """One attempt, for metrics and logs. Contains no personal data.

    Attributes:
        method: HTTP method.
        path: Path template.
        status_code: HTTP status, or ``None`` without a response.
        attempt: One-based number of the attempt.
        elapsed: Seconds the attempt took.
        wait: Seconds until the next attempt, or ``None`` when there is none.
    """

    method: str
    path: str
    status_code: int | None
    attempt: int
    elapsed: float
    wait: float | None


def _noop() -> None:
    """Do nothing."""


@attrs.define(eq=False)
class Account:
    """What all calls of one account share: its tokens, its gate and its retry budget."""

    tokens: TokenSource
    gate: Gate
    budget: RetryBudget


@attrs.frozen(kw_only=True, eq=False)
class Transport:
    """Sends requests of one account over a shared sender.

    Attributes:
        sender: Owner of the connections.
        account: Tokens, gate and budget; ``None`` for calls that need no account.
        base_url: The server's root, without a trailing slash.
        timeout: Seconds that one attempt may take; ``None`` for no deadline.
        retry: Retry policy of ordinary calls.
        user_agent: Value of the ``User-Agent`` header.
        on_event: Called with one :class:`RequestEvent` per attempt.
        on_response: Called with one :class:`ResponseInfo` per success, but not for tokens.
        clock: Source of time.
        rng: Source of jitter.
        requests_per_second: Most requests per second of each account; ``None`` for no limit.
    """

    sender: Sender
    account: Account | None = None
    base_url: str
    timeout: float | None
    retry: RetryPolicy
    user_agent: str
    on_event: Callable[[RequestEvent], None] | None = None
    on_response: Callable[[ResponseInfo], None] | None = None
    clock: Clock = SYSTEM_CLOCK
    rng: Random = SYSTEM_RANDOM
    requests_per_second: float | None = None

    def with_auth(self, auth: Auth, shared: SharedAccount | None = None) -> "Transport":
        """Return a transport of another account over the same connections.

        Args:
            auth: How to authenticate.
            shared: Has the gate that other processes pass too.
        """
        token_calls = attrs.evolve(
            self,
            account=None,
            on_response=None,
            timeout=min(self.timeout or _TOKEN_TIMEOUT, _TOKEN_TIMEOUT),
            retry=attrs.evolve(
                self.retry,
                attempts=min(self.retry.attempts, _TOKEN_ATTEMPTS),
                max_retry_after=min(self.retry.max_retry_after, _TOKEN_MAX_RETRY_AFTER),
            ),
        )
        account = Account(
            tokens=auth.bind(token_calls.call, self.clock),
            gate=self._own_gate() if shared is None else shared.gate(self.clock, self.rng),
            budget=RetryBudget(),
        )
        return attrs.evolve(self, account=account)

    def _own_gate(self) -> Gate:
        if self.requests_per_second is None:
            return AccountGate(self.clock, self.rng)
        return LimitedGate(self.clock, self.rng, requests_per_second=self.requests_per_second)

    def own_account(self) -> Account:
        """Return the account.

        Raises:
            ConfigurationError: The transport has none.
        """
        if self.account is None:
            raise ConfigurationError("this transport has no account; see with_auth()")
        return self.account

    async def call(self, request: Request) -> Response:
        """Send a request, retrying as the policy and the request's idempotency allow.

        Raises:
            APIStatusError: The server responded with an error.
            APIConnectionError: No usable response arrived.
            TokenError: The token endpoint refused the request.
        """
        attempt = 1
        while True:
            started = self.clock.monotonic()
            try:
                response = await self.call_once(request)
            except CleverReachError as error:
                wait = self._wait_after(error, request, attempt)
                self.log_attempt(request, _status(error), attempt, started, wait)
                if wait is None:
                    raise
            else:
                self.log_attempt(request, response.status_code, attempt, started, None)
                return response
            await self.clock.sleep(wait)
            attempt += 1

    async def call_once(
        self,
        request: Request,
        *,
        timeout: float | None = None,
        max_wait: float | None = None,
        on_send: Callable[[], None] = _noop,
        stop: Stop | None = None,
    ) -> Response:
        """Send a request once, renewing the token and resending after a 401.

        Args:
            request: The request.
            timeout: Seconds for the exchange, instead of the transport's.
            max_wait: Longest wait in seconds for a closed gate, instead of the policy's.
            on_send: Called just before the request is sent, and again before it is resent.
            stop: Ends the wait for a closed gate; its abort ends the exchange itself.

        Raises:
            StopRequestedError: A stop was requested while the gate was closed.
            CleverReachError: As for :meth:`call`.
        """
        account = self.account
        seconds = self.timeout if timeout is None else timeout
        if account is None or not request.authenticated:
            return await self._exchange(request, None, seconds, on_send, stop)
        # The gate adds jitter to the wait that the server asked for.
        longest = 1.1 * (self.retry.max_retry_after if max_wait is None else max_wait) + 0.25

        async def send(credential: Credential) -> Response:
            async with account.gate.passage(
                max_wait=longest, max_pause=self.retry.max_pause, stop=stop
            ) as passage:
                try:
                    response = await self._exchange(request, credential, seconds, on_send, stop)
                except (APIStatusError, APIConnectionError) as error:
                    passage.failed(diagnose(error, request.template))
                    raise
                passage.succeeded()
                if not account.budget.is_full:
                    account.budget.succeeded(self.clock.monotonic())
                return response

        return await send_with_token(account.tokens, send, max_wait=seconds)

    async def _exchange(
        self,
        request: Request,
        credential: Credential | None,
        timeout: float | None,
        on_send: Callable[[], None],
        stop: Stop | None,
    ) -> Response:
        headers = [("accept", "application/json"), ("accept-encoding", "gzip, deflate")]
        headers += [("user-agent", self.user_agent), *request.headers]
        if request.content:
            headers.append(("content-type", request.content_type))
        if credential is not None:
            headers.append(("authorization", credential.authorization))
        secrets = self._secrets_of(request, credential)
        on_send()
        try:
            response = await self.sender.send(
                request.method,
                self.base_url + request.target,
                headers=headers,
                content=request.content,
                timeout=timeout,
                stop=stop,
            )
        except APIConnectionError as error:
            error = hide_in_error(error, secrets)
            raise _placed(error, request) from error.__cause__
        response = response.quoting(secrets)
        refusal = error_in(response, request, now=self.clock.now())
        if refusal is None:
            if self.on_response is not None:
                _observe(self.on_response, info_of(response, request), "on_response")
            return response
        try:
            raise refusal
        finally:
            # Otherwise the error, its traceback and this frame would be a reference cycle.
            del refusal

    def _secrets_of(self, request: Request, credential: Credential | None) -> tuple[str, ...]:
        """Return what the server may quote: what it is sent now, or was sent to get the token."""
        known = () if self.account is None else self.account.tokens.secrets
        if credential is None:
            return (*request.secrets, *known)
        sent = Masked(credential.authorization.removeprefix("Bearer "))
        return tuple({*request.secrets, *known, sent})

    def spend(self, diagnosis: Diagnosis) -> bool:
        """Pay for one retry from the account's budget; ``False`` when too little is left."""
        account = self.account
        return account is None or account.budget.spend(diagnosis, self.clock.monotonic())

    def _wait_after(self, error: CleverReachError, request: Request, attempt: int) -> float | None:
        """Return the seconds until the next attempt, or ``None`` when there is none."""
        diagnosis = diagnose(error, request.template)
        fault, retry_after = diagnosis.fault, diagnosis.retry_after
        if fault is None or not diagnosis.may_repeat(idempotent=request.idempotent):
            return None
        if diagnosis.in_token_call:
            return None  # the call for the token has been retried already
        if fault not in self.retry.retry_on or attempt >= self.retry.attempts:
            return None
        if retry_after is not None and retry_after > self.retry.max_retry_after:
            return None
        if request.authenticated and not self.spend(diagnosis):
            error.add_note("no retry: the account's retry budget is exhausted")
            return None
        return wait_before(
            self.retry, fault, attempt=attempt, retry_after=retry_after, rng=self.rng
        )

    def log_attempt(
        self,
        request: Request,
        status_code: int | None,
        attempt: int,
        started: float,
        wait: float | None,
    ) -> None:
        """Log an attempt that has ended and call ``on_event``; what that raises is only logged."""
        level = logging.DEBUG if wait is None else logging.WARNING
        if self.on_event is None and not _log.isEnabledFor(level):
            return
        event = RequestEvent(
            method=request.method,
            path=request.template,
            status_code=status_code,
            attempt=attempt,
            elapsed=self.clock.monotonic() - started,
            wait=wait,
        )
        _log.log(
            level,
            "%s %s -> %s in %.0f ms (attempt %d%s)",
            event.method,
            event.path,
            event.status_code or "no response",
            event.elapsed * 1000,
            event.attempt,
            "" if event.wait is None else f", next in {event.wait:.1f} s",
        )
        if self.on_event is not None:
            _observe(self.on_event, event, "on_event")


def _observe(observer: Callable[[E], None], event: E, name: str) -> None:
    try:
        observer(event)
    except Exception:  # noqa: BLE001
        # An observer must not change the result of the call.
        _log.exception("%s failed", name)


def _status(error: CleverReachError) -> int | None:
    return error.status_code if isinstance(error, APIStatusError) else None


def _placed(error: APIConnectionError, request: Request) -> APIConnectionError:
    """Return the same error with the method and path of its call."""
    return type(error)(error.message, sent=error.sent, method=request.method, path=request.template)
