"""Whether a server's name can be found within a time: a lookup in asyncio's own threads would hold up the end of the program."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from urllib.parse import urlsplit


async def resolves_within(url: str, seconds: float) -> bool:
    """Return whether the lookup of the URL's host ends within so many seconds, well or not."""
    host = urlsplit(url).hostname
    if not host or host.startswith("/"):
        return True
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def look_up() -> None:
        with contextlib.suppress(OSError, UnicodeError):  # connecting will say what is wrong
            socket.getaddrinfo(host, None)
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=look_up, name="casare doctor lookup", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ended.wait()
    return ended.is_set()
