"""The page of the sandbox: what it contains, what happens, and what can be switched.

It is HTML made by the server; the script adds the requests that follow. It needs nothing but
Starlette, and :mod:`..front` imports it with its first request.
"""

from .application import SandboxPage

__all__ = ["SandboxPage"]
