"""What differs between operating systems: one file for each, with the same functions."""

import sys

if sys.platform == "win32":
    from casare_rpa.embedded.system_windows import (
        DETACHED,
        as_user,
        give_file,
        is_administrator,
        is_alive,
        is_postgres_on,
        kill_server,
        owner_of,
        try_lock,
        unprivileged_user,
        user_namespace,
    )
else:
    from casare_rpa.embedded.system_posix import (
        DETACHED,
        as_user,
        give_file,
        is_administrator,
        is_alive,
        is_postgres_on,
        kill_server,
        owner_of,
        try_lock,
        unprivileged_user,
        user_namespace,
    )

__all__ = [
    "DETACHED",
    "as_user",
    "give_file",
    "is_administrator",
    "is_alive",
    "is_postgres_on",
    "kill_server",
    "owner_of",
    "try_lock",
    "unprivileged_user",
    "user_namespace",
]
