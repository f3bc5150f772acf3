"""The settings of a Django project, which a process can have only once."""

from importlib import import_module
from typing import Any

__all__ = ["configured_settings"]


def configured_settings() -> Any:
    """Return the settings, made when they are first asked for."""
    settings: Any = import_module("django.conf").settings
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["shop.example"],
            SECRET_KEY="invented",
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        )
        package: Any = import_module("django")
        package.setup(set_prefix=False)
    return settings
