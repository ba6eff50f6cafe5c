"""
``settings.MEMOTIER`` becomes memotier's settings. (Django looks for this in a module of this name.)
"""

from __future__ import annotations

from typing import Final

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ...errors import ConfigError
from ...registry import configure

NAME: Final = "MEMOTIER"


class MemotierConfig(AppConfig):
    """
    Gives ``settings.MEMOTIER``, a dict of what ``memotier.configure`` takes, to memotier.
    """

    name = "memotier.integrations.django"
    label = "memotier"
    verbose_name = "memotier"

    def ready(self) -> None:
        values = getattr(settings, NAME, {})
        if not isinstance(values, dict):
            raise ImproperlyConfigured(f"{NAME} has to be a dict, not {type(values).__name__}")
        try:
            configure(**values)
        except (ConfigError, TypeError) as error:
            raise ImproperlyConfigured(f"{NAME}: {error}") from error
