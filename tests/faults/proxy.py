"""A link to a PostgreSQL server that a test can cut, silence, or rob of single requests and replies."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

from tests.faults.messages import Messages, Statements

if TYPE_CHECKING:
    from collections.abc import Callable

NOTIFICATION, READY_FOR_QUERY = b"A", b"Z"


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
        self.silent = False

    def to_server(self, data: bytes) -> None:
        for statement in self._statements.executed_by(data):
            self._loss = self._loss or self._proxy.take_loss(statement)
        if self._loss is not None and self._loss.request:
            self._lost()
        elif not self.silent:
            self._server.write(data)

    def to_client(self, data: bytes) -> None:
        for kind, _, message in self._replies.of(data):
            if self._loss is not None:
                if kind == READY_FOR_QUERY:  # the server has said all that it had to say: it has committed
                    self._lost()
            elif not self.silent and not (self._proxy.deaf and kind == NOTIFICATION):
                self._pass_on(message)

    def _pass_on(self, message: bytes) -> None:
        allowed = self._proxy.bytes_allowed(len(message))
        self._client.write(message[:allowed])
        if allowed < len(message):
            self.silent = True
            self.close()

    def close(self) -> None:
        """Reset the client's end at once; the server's end is closed when what it was sent has arrived."""
        self._client.transport.abort()
        self._server.close()

    def _lost(self) -> None:
        assert self._loss is not None
        self.silent = True
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
        self.url = ""

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        login = self._target.netloc.rsplit("@", 1)[0]
        address = self._target._replace(netloc=f"{login}@127.0.0.1:{port}", query="sslmode=disable")
        self.url = urlunsplit(address)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Cut every open connection."""
        for link in list(self._links):
            link.close()

    def silence(self) -> None:
        """Let nothing more through on the connections that are open now, and leave them open: a half-open link."""
        for link in self._links:
            link.silent = True

    def cut_after(self, replied: int | None) -> None:
        """Cut the connection on which the server's next so many bytes, counted over all connections, have passed; None is never."""
        self._bytes_left = replied

    def lose_reply(self, function: str, *, cut: bool = True) -> Loss:
        """Lose the whole reply to the next call of a function of the schema, then cut its connection or leave it silent."""
        return self._expect(Loss(function, request=False, cut=cut))

    def lose_request(self, function: str, *, cut: bool = True) -> Loss:
        """Lose the next call of a function of the schema before it reaches the server."""
        return self._expect(Loss(function, request=True, cut=cut))

    def take_loss(self, statement: str) -> Loss | None:
        for loss in self._losses:
            if f".{loss.function}(" in statement:
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
            asyncio.create_task(_pump(client_reader, link.to_server)),
            asyncio.create_task(_pump(server_reader, link.to_client)),
        ]
        self._pumps.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        link.close()
        self._links.discard(link)


async def _pump(reader: asyncio.StreamReader, forward: Callable[[bytes], None]) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            forward(data)
