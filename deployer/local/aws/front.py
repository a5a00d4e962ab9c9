"""The one endpoint of the local AWS: hands each call to a service of ours or on to ministack.

Which service a call is for stands in its signature's scope (SigV4: Credential=KEY/date/region/service/aws4_request).
The Data API's calls go to the local Redshift. Our services see who calls by the key's owner, which the answers of STS
and IAM told when they gave the key out. Any call may be made to fail, see faults.py.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from deployer.errors import ZeroshiftError
from deployer.local.aws import query
from deployer.local.aws.faults import Fault, Faults
from deployer.local.ports import lasting_port

log = logging.getLogger("zeroshift.aws")

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-authenticate",
}


@dataclass(frozen=True)
class Call:
    """A call to a service of ours. `key` is the caller's access key id, `identity` what it belongs to, "" for root."""

    operation: str
    region: str
    key: str
    identity: str
    body: bytes


class Service(Protocol):
    content_type: str
    """Of its answers."""

    def takes(self, operation: str, body: bytes) -> bool:
        """Whether it answers this call; otherwise ministack does."""

    def handle(self, call: Call) -> tuple[int, bytes]:
        """The HTTP status and the body of the answer."""


class Identities:
    """Whose an access key is, learned from the answers that gave it out, and kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def learn(self, answer: str) -> None:
        """Take notice of the answers of AssumeRole and its like, and of CreateAccessKey."""
        key = re.search(r"<AccessKeyId>([^<]+)</AccessKeyId>", answer)
        role = re.search(r"<Arn>arn:[^<]*:assumed-role/([^/<]+)/[^<]*</Arn>", answer)
        user = re.search(r"<UserName>([^<]+)</UserName>", answer)
        if key and role:
            owner = f"IAMR:{role.group(1)}"
        elif key and user and "CreateAccessKey" in answer:
            owner = f"IAM:{user.group(1)}"
        else:
            return
        with self._lock:
            # Answers of two calls come at once, and the file must have what both tell.
            self._known[key.group(1)] = owner
            temporary = self._path.with_suffix(".new")
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
            temporary.replace(self._path)

    def of(self, key: str) -> str:
        """The database user that Redshift makes of the key's owner (management guide, data-api-iam), or ""."""
        return self._known.get(key, "")


class Front:
    """The HTTP server, on 127.0.0.1 only."""

    def __init__(
        self,
        backend: int,
        services: Mapping[str, Service],
        elsewhere: Mapping[str, Callable[[], int]],
        identities: Path,
        wanted: int = 0,
        faults: Faults | None = None,
    ) -> None:
        self.identities = Identities(identities)
        self.faults = faults
        self._started = False
        given = {"front": self, "backend": backend, "services": services, "elsewhere": elsewhere}
        handler = type("Handler", (_Handler,), given)
        try:
            # Its URL stands in environment variables: while it is stopped, nobody should be given the port.
            self._server = _Server(("127.0.0.1", wanted or lasting_port()), handler)
        except OSError:
            # Another program has the port of the last time.
            self._server = _Server(("127.0.0.1", 0), handler)
        self.port = int(self._server.server_address[1])

    def start(self) -> None:
        self._started = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        if self._started:
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Of those that five did not leave a place for, each would try again a second later, and give up after a few.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet, at once: otherwise each answer waits 40 ms for the client to acknowledge its head.
    disable_nagle_algorithm = True
    wbufsize = -1
    front: Front
    backend: int
    services: Mapping[str, Service]
    elsewhere: Mapping[str, Callable[[], int]]
    """Services on a port of their own, which is asked for at each call."""

    def handle_expect_100(self) -> bool:
        """Say at once that the body may come: boto3 waits a second for that before each PutObject."""
        expected = super().handle_expect_100()
        self.wfile.flush()
        return expected

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        name = scope.group(3) if scope else ""
        target = self.headers.get("X-Amz-Target", "")
        form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        operation = target.rpartition(".")[2] or (query.operation_of(body) if form else "")
        fault = self.front.faults.take(name, operation) if self.front.faults and name else None
        if fault is not None and not fault.after:
            self._fail(fault, target)
            return
        service = self.services.get(name)
        if service is None or scope is None or not service.takes(operation, body):
            try:
                port = self.elsewhere.get(name, lambda: self.backend)()
            except ZeroshiftError as error:
                answer = json.dumps({"__type": "InternalServerException", "message": str(error)})
                self._answer(500, [("Content-Type", "application/x-amz-json-1.1")], answer.encode())
                return
            status, headers, content = self._forward(body, port)
        else:
            key = scope.group(1)
            call = Call(operation, scope.group(2), key, self.front.identities.of(key), body)
            headers = [("Content-Type", service.content_type)]
            try:
                status, content = service.handle(call)
            except Exception:
                log.exception("%s failed", operation)
                code = "InternalServerException" if target else "InternalFailure"
                self._fail(Fault(name, operation, code, "see aws.log", 500), target)
                return
        if fault is not None:
            self._fail(fault, target)
            return
        self._answer(status, headers, content)

    def _fail(self, fault: Fault, target: str) -> None:
        """The error in the protocol of the request, or no answer at all."""
        if not fault.code:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if target:
            told = json.dumps({"__type": fault.code, "message": fault.message}).encode()
            self._answer(fault.status, [("Content-Type", "application/x-amz-json-1.1")], told)
            return
        told = query.error(fault.service, query.Refused(fault.code, fault.message, fault.status))
        self._answer(fault.status, [("Content-Type", "text/xml")], told)

    def _forward(self, body: bytes, port: int) -> tuple[int, list[tuple[str, str]], bytes]:
        onward = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    onward.putheader(name, value)
            onward.endheaders(body)
            answer = onward.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            log.error("port %s does not answer: %s", port, error)
            return 503, [], b"the local AWS is stopping"
        finally:
            onward.close()
        if b"<AccessKeyId>" in content:
            self.front.identities.learn(content.decode(errors="replace"))
        return answer.status, answer.getheaders(), content

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP and name.lower() != "content-length":
                self.send_header(name, value)
        # The answer to HEAD has no body, and the length that it would have had.
        told = next((value for name, value in headers if name.lower() == "content-length"), None)
        length = told if self.command == "HEAD" and told else str(len(content))
        if status not in (204, 304):
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not logged: their lines can hold what nobody should read."""
