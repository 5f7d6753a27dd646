"""Settings of this login, database or server that end sessions of the queue, or change how they see rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_SHORTEST = 5000
"""Milliseconds that a statement or transaction of the queue may need under load."""


async def check(visit: Visit) -> list[Finding]:
    values = {row["name"]: row["value"] for row in await visit.rows("session_settings")}
    findings = []
    if int(values["idle_session_timeout"]) > 0:
        findings.append(
            _set_to(values, "idle_session_timeout", " ms: robots that wait for a notification are thrown out", "0")
        )
    findings.extend(
        _set_to(values, name, " ms: claims are cut off when the server is busy", "'30s'")
        for name in ("statement_timeout", "transaction_timeout")
        if 0 < int(values.get(name, "0")) < _SHORTEST
    )
    if values["default_transaction_isolation"] != "read committed":
        findings.append(
            _set_to(
                values,
                "default_transaction_isolation",
                ": claims fail and are repeated for nothing",
                "'read committed'",
            )
        )
    return findings or [ok("settings", "nothing ends idle sessions or short statements")]


def _set_to(values: dict[str, str], name: str, means: str, right: str) -> Finding:
    return warning(
        "settings",
        f"{name} is {values[name]}{means}",
        f"ALTER ROLE the_login SET {name} = {right};",
        **{name: values[name]},
    )
