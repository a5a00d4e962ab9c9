"""SSL between a client and its session.

The session reads and writes a socket pair; two threads carry what passes there to and from the client, encrypted. So
nothing else of the gateway has to know of it: it may peek, poll and shut down its socket as one in clear.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading

from deployer.local.gateway.codec import Disconnected

log = logging.getLogger("zeroshift.gateway")

_PIECE = 256 * 1024


def secured(client: socket.socket, context: ssl.SSLContext) -> tuple[socket.socket, tuple[str, str]]:
    """Shake hands with a client that has been told S; the socket on which its bytes then come in clear, and the version
    and the cipher that were agreed on.

    Raises Disconnected when the client goes away or does not accept our certificate. The client's socket keeps its time
    limit until then.
    """
    tunnel = _Tunnel(client, context)
    tunnel.shake_hands()
    client.settimeout(None)
    ours, session = socket.socketpair()
    for name, work in (("in", tunnel.carry_in), ("out", tunnel.carry_out)):
        threading.Thread(target=work, args=(ours,), name=f"ssl {name}", daemon=True).start()
    return session, tunnel.agreed


class _Tunnel:
    """One client's encryption. `_state` guards the SSL object, `_sending` the order of what is sent."""

    def __init__(self, client: socket.socket, context: ssl.SSLContext) -> None:
        self._client = client
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._state, self._sending = threading.Lock(), threading.Lock()

    @property
    def agreed(self) -> tuple[str, str]:
        cipher = self._ssl.cipher()
        return self._ssl.version() or "", cipher[0] if cipher else ""

    def shake_hands(self) -> None:
        while True:
            try:
                self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                self._send(self._outgoing.read())
                self._incoming.write(self._receive())
            except ssl.SSLError as error:
                self._send(self._outgoing.read())
                log.info("no SSL: the client refused (%s)", error.reason)
                raise Disconnected(str(error)) from error
            else:
                self._send(self._outgoing.read())
                return

    def _send(self, data: bytes) -> None:
        try:
            self._client.sendall(data)
        except OSError as error:
            raise Disconnected(str(error)) from error

    def _receive(self) -> bytes:
        try:
            data = self._client.recv(_PIECE)
        except OSError as error:
            raise Disconnected(str(error)) from error
        if not data:
            raise Disconnected("the connection was closed")
        return data

    def carry_in(self, ours: socket.socket) -> None:
        """From the client to the session, until the client has nothing more to say."""
        try:
            # What came together with the end of the handshake.
            plain = self._decrypt(b"")
            while plain is not None:
                ours.sendall(plain)
                plain = self._decrypt(self._receive())
        except (OSError, Disconnected):
            pass
        try:
            ours.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _decrypt(self, data: bytes) -> bytes | None:
        """What `data` holds for the session; None at the client's end of the encrypted stream."""
        pieces: list[bytes] = []
        ended = False
        with self._state:
            self._incoming.write(data)
            try:
                while piece := self._ssl.read(_PIECE):
                    pieces.append(piece)
                ended = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                ended = True
            answer = self._outgoing.pending > 0
        if answer:
            self._flush(b"")
        return b"".join(pieces) or (None if ended else b"")

    def carry_out(self, ours: socket.socket) -> None:
        """From the session to the client; then the end of both."""
        try:
            while data := ours.recv(_PIECE):
                self._flush(data)
            with self._state:
                try:
                    self._ssl.unwrap()
                except ssl.SSLError:
                    # The client has not said its goodbye yet, and need not.
                    pass
            self._flush(b"")
        except (OSError, Disconnected, ssl.SSLError):
            pass
        finally:
            # Wakes carry_in up, too, which may wait for the client.
            for sock in (self._client, ours):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()

    def _flush(self, data: bytes) -> None:
        """Encrypt `data` and send it with what the SSL object wants to say itself, in its order."""
        with self._sending:
            with self._state:
                if data:
                    self._ssl.write(data)
                encrypted = self._outgoing.read()
            self._send(encrypted)
