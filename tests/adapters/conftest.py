"""Fixtures of the adapter tests."""

from __future__ import annotations

from office_fixtures import bare, driver, governor, kw, light, office, quick, unsaved

__all__ = ["bare", "driver", "governor", "kw", "light", "office", "quick", "unsaved"]
