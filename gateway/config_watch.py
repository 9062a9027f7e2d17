"""The section `[watch]`: from when on a process says that it is not well, and what it does then."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config_types import Model

Action = Literal["alert", "no_opens"]


class WatchSection(Model):
    """What core and route processes watch of themselves, once a second. 0 = not watched."""

    journal_us: int = Field(default=1_000_000, ge=0, le=600_000_000)
    """Longest time that a row's write or sync may take, or a snapshot of the core. Microseconds."""
    journal_action: Action = "alert"
    """When the core's journal is slower: `alert`, or `no_opens` everywhere until a person releases it."""
    outbox_frames: int = Field(default=10_000, ge=0, le=1_000_000)
    """Frames that may wait in the core for its socket."""
    route_rows: int = Field(default=20_000, ge=0, le=100_000_000)
    """Rows that a route may keep because the core has not taken them."""
    route_rows_action: Action = "alert"
    """When a route keeps more: `alert`, or `no_opens` at that route until a person releases it."""
    window_full_ms: int = Field(default=10_000, ge=0, le=600_000)
    """How long a session's window (`max_unacked`) may be full without a break. Milliseconds."""
    memory_mib: int = Field(default=4_096, ge=0, le=1_000_000)
    """Memory (resident) of one process. MiB."""
    memory_end_mib: int = Field(default=0, ge=0, le=1_000_000)
    """A process that grew beyond this ends cleanly and is started again. Above memory_mib. MiB."""
    repeat_min: int = Field(default=15, ge=0, le=10_080)
    """What stays bad is told again after so many minutes. 0 = never."""

    @model_validator(mode="after")
    def _ordered(self) -> WatchSection:
        if self.memory_end_mib and self.memory_end_mib <= self.memory_mib:
            raise PydanticCustomError("order", "memory_end_mib must be above memory_mib, which alerts first")
        return self
