"""The one base of all frozen domain data.

Invariant: instances never change after construction, and unknown fields are refused.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, closed data; derive a new value instead of changing one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
