"""HTTP: the AWS JSON 1.1 protocol on 127.0.0.1.

A request must carry a signature (SigV4), as every AWS client sends one; it is not checked. A web page cannot send one
to us: X-Amz-Target makes its browser ask first (CORS), which is not answered, and a Host other than this machine's own
names is refused, which stops names that are turned to 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deployer.local.data_api import limits
from deployer.local.data_api.errors import ApiError, Malformed, Unknown, Unsigned
from deployer.local.data_api.records import Caller

log = logging.getLogger("zeroshift.data_api")

Handle = Callable[[str, Mapping[str, Any], Caller], dict[str, Any]]
"""Carries out an operation by its name. Raises ApiError."""

HOST = "127.0.0.1"
_CONTENT = "application/x-amz-json-1.1"
_IDLE_SECONDS = 120.0
_DISCARD_BYTES = 64 * 1024 * 1024
_NAMES = ("127.0.0.1", "localhost", "[::1]", "host.docker.internal")
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/")
_NO_ACCOUNT = "000000000000"


def caller(authorization: str) -> Caller:
    """Who signed, from the Authorization header. An access key of twelve digits is taken for the account, as the
    local AWS does. Raises Unsigned.
    """
    if not authorization.startswith("AWS4-"):
        raise Unsigned("Missing Authentication Token")
    found = _CREDENTIAL.search(authorization)
    if found is None:
        return Caller("us-east-1", _NO_ACCOUNT)
    key, region = found.groups()
    return Caller(region, key if re.fullmatch(r"\d{12}", key) else _NO_ACCOUNT)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Closing does not wait for the threads of open connections.
    block_on_close = False
    request_queue_size = 128
    # A port in TIME_WAIT is free; one that somebody listens on is not.
    allow_reuse_address = True

    def __init__(self, port: int, prefix: str, handle: Handle) -> None:
        self.prefix, self.handle = prefix, handle
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        # Without the look-up of our own name, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and end the connections that clients keep for their next requests."""
        super().server_close()
        with self._open_lock:
            still_open = list(self._open)
        for request in still_open:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It has just ended by itself.
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away in the middle is no news.
        log.debug("a connection ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "zeroshift"
    sys_version = ""
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        request_id = str(uuid.uuid4())
        try:
            name, body = self._request()
            who = caller(self.headers.get("Authorization", ""))
            answer, status, kind = self.server.handle(name, body, who), 200, ""
        except ApiError as error:
            answer = {"__type": error.code, "Message": error.message, **error.members}
            status, kind = error.status, error.code
        except Exception:
            log.exception("request %s: internal error", request_id)
            kind, status = "InternalServerException", 500
            answer = {"__type": kind, "Message": f"internal error, see gateway.log (request {request_id})"}
        self._send(status, answer, request_id, kind)

    def _request(self) -> tuple[str, Mapping[str, Any]]:
        """The operation's name and the request. Raises ApiError."""
        size = self.headers.get("Content-Length", "")
        if not size.isdigit() or int(size) > limits.REQUEST_BYTES:
            # What is not read would be taken for the next request; and a client that still writes reads no answer.
            self.close_connection = True
            self._discard(min(int(size) if size.isdigit() else 0, _DISCARD_BYTES))
            raise Malformed(f"a request has a Content-Length of at most {limits.REQUEST_BYTES}")
        data = self.rfile.read(int(size))
        host = self.headers.get("Host", "").rsplit(":", 1)[0] if self.headers.get("Host") else ""
        if host not in _NAMES:
            raise Unknown(f"this is the local Data API at {HOST}, not {host}")
        service, _, name = self.headers.get("X-Amz-Target", "").partition(".")
        if service != self.server.prefix or not name:
            raise Unknown(f"X-Amz-Target must be {self.server.prefix}.<operation>")
        try:
            body = json.loads(data.decode() or "{}")
        except (ValueError, RecursionError):
            raise Malformed("the body is not JSON") from None
        if not isinstance(body, dict):
            raise Malformed("the body is not a JSON object")
        return name, body

    def _discard(self, size: int) -> None:
        while size > 0 and (data := self.rfile.read(min(size, 65536))):
            size -= len(data)

    def _send(self, status: int, answer: Mapping[str, Any], request_id: str, kind: str) -> None:
        data = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("x-amzn-RequestId", request_id)
        if kind:
            self.send_header("x-amzn-ErrorType", kind)
        self.send_header("Content-Type", _CONTENT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        # Requests are many, and hold SQL.
        return


def bind(port: int, prefix: str, handle: Handle) -> ThreadingHTTPServer | None:
    """A server that listens on 127.0.0.1:`port` (0 = any free one); None when the port is taken."""
    try:
        return _Server(port, prefix, handle)
    except OSError:
        return None
