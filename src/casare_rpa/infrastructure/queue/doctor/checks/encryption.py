"""Whether the link to a server on another machine is encrypted."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


async def check(visit: Visit) -> list[Finding]:
    if visit.shares_sessions:
        return []  # what can be seen is the pooler's link, not ours
    row = await visit.row("encryption")
    if row["ssl"]:
        return [ok("encryption", f"{row['version']}", encrypted=True)]
    if _is_near(urlsplit(visit.config.require_url()).hostname):
        return [ok("encryption", "none, and none is needed: the server is on this machine", encrypted=False)]
    return [
        warning(
            "encryption",
            "passwords are safe, payloads are not: they go over the network unencrypted",
            "add ?sslmode=verify-full (or require) to PGQUEUER_DATABASE_URL",
            encrypted=False,
        )
    ]


def _is_near(host: str | None) -> bool:
    if host is None or host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
