"""An open WebSocket as bytes: frames in, frames out. Knows nothing of quotes.

The handshake is the HTTP server's business; afterwards this is all that a connection has: no task, no timer.
What is sent to many is framed once, and the same bytes go to every transport. What comes in is parsed by
`websockets`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

NORMAL: Final = 1000
INVALID_TEXT: Final = 1007
RESTART: Final = 1012
PING: Final = b"\x89\x00"
LINGER_S: Final = 5.0  # for the other end to take the close, and to answer it
TAKEOVER: Final = "hub.wire"  # the extension of an ASGI scope that answers the connection's Wire
HIGH_WATER: Final = 64 * 1024  # what may wait in this process before nothing more is added


def framed(text: bytes) -> bytes:
    """A text message as it goes over the wire; a server's frames are not masked."""
    size = len(text)
    if size < 126:
        return b"\x81%c%b" % (size, text)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), text)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), text)


class Listener(Protocol):
    """Whoever owns the wire. Nothing here waits or fails."""

    def on_text(self, text: str) -> None: ...

    def on_binary(self) -> None: ...

    def on_blocked(self) -> None:
        """So much waits to be sent that nothing may be added."""

    def on_writable(self) -> None:
        """What waited has gone out."""

    def on_closed(self) -> None:
        """The other end has gone, or has broken the protocol: it is not talked to any more."""


def _nowhere(_: bytes) -> None:
    """For a wire that is closing."""


class Wire(asyncio.Protocol):
    """`connections` is the HTTP server's list of what it has to end when it stops."""

    __slots__ = (
        "_closing",
        "_connections",
        "_listener",
        "_parser",
        "_parts",
        "_text",
        "_transport",
        "heard",
        "send",
    )
    send: Callable[[bytes], None]
    """Writes complete frames, one or more. It is the transport's own, since it is called for every frame."""

    def __init__(self, transport: asyncio.Transport, parser: ServerProtocol, connections: set[Any]) -> None:
        self._transport = transport
        self._parser = parser
        self._connections = connections
        self._listener: Listener | None = None
        self._parts: list[bytes] = []
        self._text = True
        self._closing = False
        self.heard = False  # since it was last looked at
        self.send = transport.write

    def listen(self, listener: Listener) -> None:
        """From now on. What the client has sent already is handed over at once."""
        self._listener = listener
        self._connections.add(self)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._transport.set_protocol(self)
        self._take()

    # Sending.

    @property
    def waiting(self) -> int:
        """Bytes that the other end has not taken."""
        return self._transport.get_write_buffer_size()

    def close(self, code: int, reason: str, last: Iterable[bytes] = ()) -> None:
        """Says why, and waits for the other end to close, but not long."""
        if self._closing:
            return
        for frame in last:
            self._transport.write(frame)
        with suppress(InvalidState):
            self._parser.send_close(code, reason)
        self._write()
        self._end()

    def abort(self) -> None:
        self._transport.abort()

    def shutdown(self) -> None:
        """The HTTP server stops."""
        self.close(RESTART, "restart")
        self._transport.close()

    def _write(self) -> None:
        output = b"".join(self._parser.data_to_send())
        if output and not self._transport.is_closing():
            self._transport.write(output)

    def _end(self) -> None:
        """A client that does not read would be waited for without end."""
        if self._closing:
            return
        self._close()
        asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def _close(self) -> None:
        self._closing = True
        self.send = _nowhere

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self._parser.receive_data(data)
        self._take()

    def eof_received(self) -> None:
        """The transport closes, as it does when this answers nothing."""

    def pause_writing(self) -> None:
        if self._listener is not None:
            self._listener.on_blocked()

    def resume_writing(self) -> None:
        if self._listener is not None:
            self._listener.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._close()
        self._connections.discard(self)
        self._leave()

    def _leave(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_closed()

    def _take(self) -> None:
        """Whatever the parser has made of the bytes so far. Pings are answered by it."""
        for event in self._parser.events_received():
            if isinstance(event, Frame):
                self._on_frame(event)
        self._write()
        if self._parser.parser_exc is not None and not self._closing:  # it has said which rule was broken
            self._end()
            # Closed now, what is still coming in would make the system tear down the connection, and the
            # client would never read why. It is read and thrown away.
            self._transport.write_eof()
            self._leave()

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._break_off()
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT} and not self._closing:
            self._on_data(frame)

    def _on_data(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        message, self._parts = b"".join(self._parts), []
        listener = self._listener
        if listener is None:
            return
        if not self._text:
            listener.on_binary()
            return
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self.close(INVALID_TEXT, "")
            self._leave()
            return
        listener.on_text(text)

    def _break_off(self) -> None:
        """The other end has closed, and has been answered."""
        self._write()
        self._end()
        self._transport.close()
        self._leave()
