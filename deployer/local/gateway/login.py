"""The start of a connection: SSL and cancel requests, start-up parameters, password, PostgreSQL session."""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection
from typing import TYPE_CHECKING

from deployer.local.gateway import codec, startup, tls
from deployer.local.gateway.backend import Backend, ServerError
from deployer.local.gateway.codec import Body, Disconnected, Malformed, message
from deployer.local.gateway.errors import ENGINE_STARTING, as_redshift, gateway_error
from deployer.local.gateway.scram import matches

if TYPE_CHECKING:
    from deployer.local.gateway.session import Session

log = logging.getLogger("zeroshift.gateway")

LOGIN_SECONDS = 60.0

VERSION = "8.0.2"
"""What Redshift says of itself: the PostgreSQL that it descends from. Clients choose their SQL by it."""

REPORTED = {"client_encoding", "DateStyle", "TimeZone", "application_name", "session_authorization"}
"""Parameters whose later changes the client is told."""

_SESSION = (
    # Redshift's databases are created with snapshot isolation.
    "-c default_transaction_isolation=repeatable\\ read "
    # Redshift joins by hashing or merging and has no index to look rows up by. PostgreSQL, which knows little of a
    # temporary table that was just made, would go through zone maps row by row.
    "-c enable_nestloop=off "
    # Redshift's default, as PostgreSQL's before 12: 15 digits of a float.
    "-c extra_float_digits=0 "
    # The form in which the gateway can check a password, whatever the server's own default is.
    "-c password_encryption=scram-sha-256 "
    # Can be shown from the beginning, without an error (journal.py).
    "-c zeroshift.query_group= "
)

_SELF_GRANT = "-c createrole_self_grant=set,inherit "
"""Who creates a user holds that user's rights, as a Redshift superuser does. PostgreSQL 15, which does not know the
setting, lets whoever may create roles use them all."""

_SAID = {
    "server_version": VERSION,
    "server_encoding": "UNICODE",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
    "padb_version": "1.0.local",
    # By this asyncpg knows Redshift, and resets a connection of its pool without advisory locks and LISTEN.
    "padb_revision": "local",
    # The base protocol: PostgreSQL's own message formats, without Redshift's extended result metadata.
    "server_protocol_version": "0",
}


def start(session: Session) -> Backend | None:
    """Log the client in and open its PostgreSQL session; None when it only wanted something else, or gave up.

    Raises ServerError (FATAL) when it is refused.
    """
    sock = session.client.socket
    sock.settimeout(LOGIN_SECONDS)
    parameters = _startup(session)
    if parameters is None:
        return None
    sock = session.client.socket
    user = parameters.get("user", "")
    if not user:
        raise gateway_error("no user name specified in startup packet", "28000", severity="FATAL")
    session.user, session.parameters = user, parameters
    session.application = parameters.get("application_name", "")[:63]
    session.put(message(b"R", codec.int32(3)))
    session.flush()
    kind, data = session.client.next()
    if kind != b"p":
        raise Malformed("an answer to the request for a password was expected")
    _check(session, user, Body(data).text())
    database = parameters.get("database", user)
    if database != session.gateway.database:
        raise gateway_error(
            f'database "{database}" does not exist',
            "3D000",
            severity="FATAL",
            hint=f"Connect to {session.gateway.database}; a landing database is read by three-part names.",
        )
    backend = _open(session, user)
    sock.settimeout(None)
    session.put(message(b"R", codec.int32(0)))
    said = _SAID | {name: backend.parameters[name] for name in ("DateStyle", "TimeZone")}
    said |= {
        "application_name": session.application,
        "session_authorization": user,
        "is_superuser": "on" if _is_superuser(session, user) else "off",
    }
    for name, value in said.items():
        session.put(message(b"S", codec.text(name), codec.text(value)))
    return backend


def _startup(session: Session) -> dict[str, str] | None:
    """The start-up parameters, after any SSL or GSS request. A cancel request is carried out: None."""
    encrypted = False
    while True:
        try:
            code, body = session.client.startup()
        except Disconnected:
            # A port scan, or a client that only looks whether somebody listens.
            return None
        if code == codec.SSL_REQUEST and session.gateway.tls is not None and not encrypted:
            if session.client.buffered:
                # What came in clear behind the request would be taken for encrypted.
                raise Malformed("bytes behind the request for SSL")
            session.client.send(b"S")
            sock, session.encryption = tls.secured(session.client.socket, session.gateway.tls)
            session.client = codec.Stream(sock)
            session.client.socket.settimeout(LOGIN_SECONDS)
            encrypted = True
        elif code in (codec.SSL_REQUEST, codec.GSS_REQUEST):
            # The client goes on in clear, or gives up and says why.
            session.client.send(b"N")
        elif code == codec.CANCEL_REQUEST:
            fields = Body(body)
            session.gateway.cancel(fields.int32(), fields.int32())
            return None
        elif code >> 16 == 3:
            return codec.unpack_startup(body)
        else:
            raise gateway_error(
                f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: server supports 3.0",
                "0A000",
                severity="FATAL",
            )


def _check(session: Session, user: str, password: str) -> None:
    """Raise ServerError (28000) unless PostgreSQL knows the user, who may log in, with this password."""
    rows = session.gateway.internal.query(
        "select zeroshift.stored_password($1), rolcanlogin, coalesce(rolvaliduntil > now(), true), rolsuper,"
        " rolconnlimit"
        " from pg_catalog.pg_authid where rolname = $1",
        [user.encode()],
    ).rows
    stored, login, valid, engine, limit = rows[0] if rows else (None, b"f", b"f", b"f", b"-1")
    # The password is checked also for an unknown user, so that nobody can tell by the time it takes.
    known = session.gateway.passes.redeem(user, password) or matches(password, (stored or b"").decode(), user)
    if not known or login != b"t" or valid != b"t" or engine == b"t":
        log.info("login of %r from %s refused", user, session.remote)
        session.gateway.internal.query(
            "select zeroshift.refuse_connection($1, $2)", [user[:128].encode(), session.told().encode()]
        )
        raise gateway_error(f'password authentication failed for user "{user}"', "28000", severity="FATAL")
    session.limit = int(limit) if limit not in (None, b"-1") else None
    session.gateway.check_limit(session)


def _is_superuser(session: Session, user: str) -> bool:
    rows = session.gateway.internal.query("select zeroshift.is_superuser($1)", [user.encode()]).rows
    return rows[0][0] == b"t"


def _open(session: Session, user: str) -> Backend:
    """A PostgreSQL session that acts as `user`: authenticated as the engine's superuser, so that a procedure's
    definer can be taken on, and bound to the user before the first statement."""
    try:
        # As options of the connection they are what RESET ALL returns to.
        asked = startup.settings(session.parameters)
        options = _SESSION + (_SELF_GRANT if session.gateway.major >= 16 else "") + startup.options(asked)
        backend = Backend(session.gateway.target, session.application, options)
    except ServerError as error:
        if error.sqlstate == "53300":
            raise gateway_error("too many connections", "53300", severity="FATAL") from error
        raise as_redshift(error) from error
    except Disconnected as error:
        raise gateway_error(ENGINE_STARTING, "57P03", severity="FATAL") from error
    try:
        _become(session, backend, user, asked)
    except BaseException:
        said = backend.farewell()
        backend.close()
        if said:
            raise as_redshift(ServerError(said)) from None
        raise
    return backend


def _become(session: Session, backend: Backend, user: str, asked: Collection[str]) -> None:
    """Bind the new session to its user, with the settings that the user has."""
    quoted = '"' + user.replace('"', '""') + '"'
    backend.simple(f"set session authorization {quoted}")
    rows = session.gateway.internal.query(
        "select unnest(rolconfig) from pg_catalog.pg_roles where rolname = $1", [user.encode()]
    ).rows
    for (entry,) in rows:
        # ALTER USER ... SET: PostgreSQL applies it at login, which for this session was the superuser's.
        name, _, value = (entry or b"").decode().partition("=")
        if name.lower() in asked:
            continue
        backend.query("select set_config($1, $2, false)", [name.encode(), value.encode()])


def loopback(address: str) -> bool:
    """Whether a socket's address is this machine."""
    return address in ("127.0.0.1", "::1") or address.startswith("127.")


def tune(sock: socket.socket) -> None:
    """Send small messages at once."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
