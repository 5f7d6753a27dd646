"""What a check found, how bad that is, and what to do about it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["ok", "note", "warning", "problem"]

NOT_VISIBLE = "not visible to this login"
RESTORE = "objects of the schema are missing, and casare migrate cannot make them again: restore them from a backup"


class Finding(BaseModel):
    """What one check found.

    Attributes:
        check: the check's name.
        state: ``ok``; ``note``, worth knowing; ``warning``, something will go wrong or goes slowly; ``problem``, it goes wrong.
        found: one line for people.
        advice: a command or a piece of SQL that mends it, or what to look at; None when there is nothing to do.
        facts: the same for programs: names and numbers, JSON values.

    """

    model_config = ConfigDict(frozen=True)

    check: str
    state: State
    found: str
    advice: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict)


def ok(check: str, found: str, **facts: Any) -> Finding:
    return Finding(check=check, state="ok", found=found, facts=facts)


def note(check: str, found: str, advice: str | None = None, **facts: Any) -> Finding:
    return Finding(check=check, state="note", found=found, advice=advice, facts=facts)


def warning(check: str, found: str, advice: str | None = None, **facts: Any) -> Finding:
    return Finding(check=check, state="warning", found=found, advice=advice, facts=facts)


def problem(check: str, found: str, advice: str | None = None, **facts: Any) -> Finding:
    return Finding(check=check, state="problem", found=found, advice=advice, facts=facts)
