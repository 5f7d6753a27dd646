"""The URLs of a Supabase project."""

from __future__ import annotations

import re
from urllib.parse import quote

from casare_rpa.foundation.errors import ConfigError

_SESSION_PORT, _TRANSACTION_PORT = 5432, 6543


def supabase_urls(
    project_ref: str, password: str, region: str | None, pooler: str | None, user: str
) -> dict[str, str | None]:
    """Return `database_url` and, where it matters, `direct_url`; see `QueueConfig.from_supabase`.

    Raises:
        ConfigError: an argument is wrong; the message names it and shows no password.

    """
    _check(
        "project_ref",
        project_ref,
        r"[a-z0-9]{1,63}",
        "the reference in the project's address, like abcdefghijklmnopqrst",
    )
    _check("user", user, r"[A-Za-z_][A-Za-z0-9_]{0,62}", "a login's name of letters, digits and _")
    if not password:
        raise ConfigError("password: give the login's password, as it is")
    if pooler not in {None, "session", "transaction"}:
        raise ConfigError(f'pooler: "session" or "transaction", not {pooler!r}')
    if region is None:
        if pooler is not None:
            raise ConfigError(f"region: the {pooler} pooler needs it, for example eu-central-1")
        return {"database_url": _url(user, password, f"db.{project_ref}.supabase.co", _SESSION_PORT)}
    _check("region", region, r"(aws-\d+-)?[a-z]{2}(-[a-z]+)+-\d+", "a region like eu-central-1")
    host = f"{region if region.startswith('aws-') else f'aws-0-{region}'}.pooler.supabase.com"
    session = _url(f"{user}.{project_ref}", password, host, _SESSION_PORT)
    if pooler == "transaction":
        return {
            "database_url": _url(f"{user}.{project_ref}", password, host, _TRANSACTION_PORT),
            "direct_url": session,
        }
    return {"database_url": session, "direct_url": session}


def _check(argument: str, value: object, pattern: str, right: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ConfigError(f"{argument}: {right}, not {value!r}")


def _url(user: str, password: str, host: str, port: int) -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@{host}:{port}/postgres?sslmode=require"
