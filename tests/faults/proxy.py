"""A link to a PostgreSQL server that a test can cut, reset, silence, hold up, slow down, or rob of single requests and replies.

What is done to the link: `cut` and `reset` end what is open; `silence` leaves it open and lets nothing through; `black_hole`
does so to new connections too, one way or both; `hold_requests` lets them arrive late; `delay` slows both ways; `lose_reply` and
`lose_request` lose one call; `refuses` ends new connections at once and `stop_listening` lets nobody answer them. `open` ends
what lasts, for connections that are made from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

from tests.faults.messages import Messages, Statements

if TYPE_CHECKING:
    from collections.abc import Callable

NOTIFICATION, READY_FOR_QUERY = b"A", b"Z"
BOTH = frozenset({"requests", "replies"})
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER, on with no seconds: closing sends a reset instead of an orderly end."""


class Loss:
    """One request or reply that the link is to lose."""

    def __init__(self, function: str, *, request: bool, cut: bool) -> None:
        self.function = function
        self.request = request
        self.cut = cut
        self.happened = asyncio.Event()


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._statements = Statements()
        self._replies = Messages(first_has_kind=True)
        self._loss: Loss | None = None
        self._held: list[bytes] = []
        self.lost = proxy.lost
        """The directions in which nothing arrives."""

    def to_server(self, data: bytes) -> None:
        for statement in self._statements.executed_by(data):
            self._proxy.statements.append(statement)
            self._loss = self._loss or self._proxy.take_loss(statement)
        if self._loss is not None and self._loss.request:
            self._lost()
        elif self._proxy.holds_requests:
            self._held.append(data)
        elif "requests" not in self.lost:
            self._server.write(data)

    def let_held_arrive(self) -> None:
        """Let the requests arrive that were held up; whoever sent them may be gone by now."""
        for data in self._held:
            self._server.write(data)
        self._held.clear()

    def to_client(self, data: bytes) -> None:
        for kind, _, message in self._replies.of(data):
            if self._loss is not None:
                if kind == READY_FOR_QUERY:  # the server has said all that it had to say: it has committed
                    self._lost()
            elif "replies" not in self.lost and not (self._proxy.deaf and kind == NOTIFICATION):
                self._pass_on(message)

    def _pass_on(self, message: bytes) -> None:
        allowed = self._proxy.bytes_allowed(len(message))
        self._client.write(message[:allowed])
        if allowed < len(message):
            self.lost = BOTH
            self.close()

    @property
    def holds(self) -> bool:
        """Whether requests are held up that are still to arrive."""
        return bool(self._held)

    def close(self) -> None:
        """End the client's end at once; the server's end is closed when what it was sent has arrived."""
        self._client.transport.abort()
        self._server.close()

    def reset(self) -> None:
        """End it as a router does that has forgotten it: the client gets a reset, with nothing before."""
        plug: socket.socket = self._client.get_extra_info("socket")
        with contextlib.suppress(OSError):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.close()

    def _lost(self) -> None:
        assert self._loss is not None
        self.lost = BOTH
        self._loss.happened.set()
        if self._loss.cut:
            self.close()
        self._loss = None


class Proxy:
    """Listens on a port of its own and passes on to the server of a URL; use it as an async context.

    `url` is the same database through the proxy.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._links: set[Link] = set()
        self._losses: list[Loss] = []
        self._bytes_left: int | None = None
        self._listener: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self.refuses = False
        """Whether new connections are closed at once."""
        self.deaf = False
        """Whether notifications are left out of what the server says."""
        self.lost: frozenset[str] = frozenset()
        """The directions in which nothing arrives on new connections."""
        self.holds_requests = False
        self._may_arrive = asyncio.Event()
        self.delay = 0.0
        """Seconds by which each piece is late, in both directions."""
        self.accepted = 0
        """Connections that clients have made."""
        self.statements: list[str] = []
        """What clients have asked to be executed."""
        self._port = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        await self.listen()
        login = self._target.netloc.rsplit("@", 1)[0]
        address = self._target._replace(netloc=f"{login}@127.0.0.1:{self._port}", query="sslmode=disable")
        self.url = urlunsplit(address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_listening()
        self.cut()
        self._may_arrive.set()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def listen(self) -> None:
        """Answer at the port of before."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """Let nobody answer new connections."""
        assert self._listener is not None
        self._listener.close()

    def cut(self) -> None:
        """Cut every open connection."""
        for link in list(self._links):
            link.close()

    def reset(self) -> None:
        """Reset every open connection."""
        for link in list(self._links):
            link.reset()

    def silence(self) -> None:
        """Let nothing more through on the connections that are open now, and leave them open: a half-open link."""
        for link in self._links:
            link.lost = BOTH

    def black_hole(self, *, lost: frozenset[str] = BOTH) -> None:
        """Let nothing arrive in these directions any more, on open connections and on new ones, which are accepted."""
        self.lost = lost
        for link in self._links:
            link.lost = lost

    def hold_requests(self) -> None:
        """Hold requests up from now on; they arrive when the link is opened, also those whose sender is gone by then."""
        self.holds_requests = True
        self._may_arrive.clear()

    def open(self) -> None:
        """Let new connections through, and what was held up arrive; what is lost stays lost, with the connection it was lost on."""
        self.refuses = self.holds_requests = False
        self.delay = 0.0
        self.lost = frozenset()
        for link in self._links:
            link.let_held_arrive()
        self._may_arrive.set()

    def cut_after(self, replied: int | None) -> None:
        """Cut the connection on which the server's next so many bytes, counted over all connections, have passed; None is never."""
        self._bytes_left = replied

    def lose_reply(self, function: str, *, cut: bool = True) -> Loss:
        """Lose the whole reply to the next call of a function of the schema, or to the next ``COMMIT``.

        Then its connection is cut, or left silent.
        """
        return self._expect(Loss(function, request=False, cut=cut))

    def lose_request(self, function: str, *, cut: bool = True) -> Loss:
        """Lose the next call of a function of the schema, or the next ``COMMIT``, before it reaches the server."""
        return self._expect(Loss(function, request=True, cut=cut))

    def take_loss(self, statement: str) -> Loss | None:
        for loss in self._losses:
            if f".{loss.function}(" in statement or statement.strip("; ") == loss.function:
                self._losses.remove(loss)
                return loss
        return None

    def bytes_allowed(self, wanted: int) -> int:
        if self._bytes_left is None:
            return wanted
        allowed = min(wanted, self._bytes_left)
        self._bytes_left = None if allowed < wanted else self._bytes_left - allowed
        return allowed

    def _expect(self, loss: Loss) -> Loss:
        self._losses.append(loss)
        return loss

    async def _accept(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuses:
            client.transport.abort()
            return
        try:
            server_reader, server = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            client.transport.abort()
            return
        link = Link(self, client, server)
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._pump(client_reader, link.to_server)),
            asyncio.create_task(self._pump(server_reader, link.to_client)),
        ]
        self._pumps.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        if link.holds:
            await self._may_arrive.wait()
        link.close()
        self._links.discard(link)

    async def _pump(self, reader: asyncio.StreamReader, forward: Callable[[bytes], None]) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                forward(data)
