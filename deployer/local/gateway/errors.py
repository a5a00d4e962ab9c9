"""Errors on their way to the client: Redshift's texts, and positions in the user's own text."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.codec import pack_fields
from deployer.sql.lexer import LexError
from deployer.sql.refused import Refused

ABORTED = "current transaction is aborted, commands ignored until end of transaction block"

_KEPT = "SVCMDHP"
"""The fields that a client is told. The rest names PostgreSQL's source files, its internal queries and the physical
names of tables."""

CANCELLED = "Query cancelled on user's request"

ENGINE_STOPPED = "server closed the connection unexpectedly: the local Redshift's engine has stopped"
"""Whatever PostgreSQL's end looks like from here. It begins with the words of libpq, the ones that the alerts of
scheduled runs know a lost connection by."""

ENGINE_STARTING = "the database system is starting up: the local Redshift's engine does not answer yet"
"""Why nobody can log in for as long as PostgreSQL is away or recovers, whichever of it a login meets; the first words
are PostgreSQL's own, which the alerts know, too."""

_SKIPPED = re.compile(r"(\w+) (.* does not exist), skipping")

_NOT_MAINTAINED = re.compile(r'permission denied to (?:analyze|vacuum) "(.*)", skipping it')
_OWN_TABLE = re.compile(r"create (?:unlogged )?table if not exists zeroshift\.(\w+)")
_COMPAT = Path(__file__).parents[1] / "compat"

_INSIDE = re.compile(r"""(?<![\w."'])(?:redshift|zeroshift)\.(?=\w)""")
_CATALOGS = {
    "redshift_catalog": "pg_catalog",
    "redshift_newer": "pg_catalog",
    "redshift_information": "information_schema",
}
"""The compatibility schemas: no user knows of them. Functions and types of ours are named without theirs."""

_TAKEN = {
    "pg_class_relname_nsp_index": ("42P07", 'relation "{}" already exists'),
    "pg_type_typname_nsp_index": ("42P07", 'relation "{}" already exists'),
    "pg_proc_proname_args_nsp_index": ("42723", 'function "{}" already exists with same argument types'),
    "pg_namespace_nspname_index": ("42P06", 'schema "{}" already exists'),
    "pg_authid_rolname_index": ("42710", 'role "{}" already exists'),
}
"""What PostgreSQL says where the same was made before. Of what two make at once only its catalog's index tells."""

_KEY = re.compile(r"Key \([^=]*\)=\((.+?)[,)]")

_TEXTS = {
    # Redshift's text under snapshot isolation, e.g. github.com/aws/amazon-redshift-jdbc-driver/issues/147.
    "40001": "could not complete because of conflict with concurrent transaction",
}


def gateway_error(
    message: str, sqlstate: str, *, detail: str = "", hint: str = "", severity: str = "ERROR"
) -> ServerError:
    """An error of the gateway's own, in the form of the server's."""
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": message}
    if detail:
        fields["D"] = detail
    if hint:
        fields["H"] = hint
    return ServerError(fields)


def from_refused(refused: Refused, offset: int) -> ServerError:
    """A refusal of the translator. `offset` is where the statement begins in the text the client sent."""
    error = gateway_error(refused.message, refused.sqlstate, hint=refused.hint or "")
    if refused.position is not None:
        error.fields["P"] = str(offset + refused.position + 1)
    return error


def from_lexer(problem: LexError) -> ServerError:
    """A text that cannot even be cut into tokens."""
    error = gateway_error(problem.message, "42601")
    error.fields["P"] = str(problem.position + 1)
    return error


def notice_in_redshift(fields: dict[str, str]) -> dict[str, str]:
    """A notice in Redshift's words (r_CALL_procedure prints the one of DROP TABLE IF EXISTS)."""
    kept = {letter: value for letter, value in fields.items() if letter in "SVCMDH"}
    skipped = _SKIPPED.fullmatch(kept.get("M", ""))
    if skipped is not None:
        kept |= {"S": "INFO", "V": "INFO", "M": f"{skipped[1].capitalize()} {skipped[2]} and will be skipped"}
    return kept


def announces_end(fields: dict[str, str]) -> bool:
    """Whether a notice is PostgreSQL's warning that it has crashed or is shut down at once. The connection's end
    follows, of which the session tells by itself; whether this arrives before it is a matter of luck."""
    return fields.get("C") in ("57P01", "57P02")


def concerns_engine(fields: dict[str, str]) -> bool:
    """Whether a notice is about the engine's own tables, which ANALYZE and VACUUM without a table go over as well."""
    skipped = _NOT_MAINTAINED.fullmatch(fields.get("M", ""))
    return skipped is not None and (skipped[1].startswith("pg_") or skipped[1] in _own_tables())


@functools.cache
def _own_tables() -> frozenset[str]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(_COMPAT.glob("*.sql"))]
    return frozenset(name for text in texts for name in _OWN_TABLE.findall(text))


def as_redshift(error: ServerError) -> ServerError:
    """The same error in Redshift's words, without what concerns only PostgreSQL's inside."""
    fields = {letter: value for letter, value in error.fields.items() if letter in _KEPT}
    code, text = fields.get("C", ""), fields.get("M", "")
    taken, key = _TAKEN.get(error.fields.get("n", "")), _KEY.match(fields.get("D", ""))
    if code == "23505" and taken is not None and key is not None:
        code, text = taken
        fields |= {"C": code, "M": text.format(key[1])}
        fields.pop("D")
    elif code == "XX000" and text in ("tuple concurrently updated", "tuple concurrently deleted"):
        # Two sessions have altered the same object, or granted something on it.
        fields |= {"C": "40001", "M": _TEXTS["40001"]}
    elif code in _TEXTS:
        fields["M"] = _TEXTS[code]
        fields.pop("D", None)
    elif code == "57014" and text.endswith(("user request", "statement timeout")):
        # A timeout is told in the same words: DG "statement_timeout".
        fields["M"] = CANCELLED
    elif code == "57P01" and "postmaster" in text:
        # A session has seen PostgreSQL's main process die before the gateway did.
        fields["M"] = ENGINE_STOPPED
    elif code == "57P03":
        # "is starting up", "is in recovery mode", "is shutting down" ...: as the moment will have it.
        fields = {letter: value for letter, value in fields.items() if letter not in "DH"} | {
            "M": ENGINE_STARTING
        }
    elif code == "22003" and text == "numeric field overflow":
        fields["M"] = "Numeric data overflow (result precision)"
    elif code == "21000" and text.startswith("MERGE command"):
        fields["M"] = "Found multiple matches to update the same tuple."
        fields.pop("H", None)
    elif fields.get("D", "").startswith("Failing row contains"):
        # It would show what masks hide and what the user was not asked to know.
        fields.pop("D")
    if code == "23514" and error.fields.get("n", "").startswith("zs_bytes_"):
        fields["C"] = "22001"
        fields["M"] = f"value too long for type character varying({byte_limit(error.fields['n'])})"
        # PostgreSQL's detail shows the whole row.
        fields.pop("D", None)
    shown = [line for line in fields.get("D", "").splitlines() if "zeroshift" not in line]
    if "D" in fields and "\n".join(shown) != fields["D"]:
        # What depends on a lookup table of a policy is ours.
        fields["D"] = "\n".join(shown) or "security policies depend on it"
    if code.startswith("42"):
        # Syntax, names and rights: no values of rows stand in these.
        fields |= {letter: _without_ours(fields[letter]) for letter in "MDH" if letter in fields}
    return ServerError(fields)


def _without_ours(text: str) -> str:
    """A message without the names of the compatibility schemas."""
    for ours, known in _CATALOGS.items():
        text = text.replace(ours, known)
    return _INSIDE.sub("", text)


def byte_limit(constraint: str) -> str:
    """The n of varchar(n) out of a constraint's name, zs_bytes_<n>_..."""
    for part in constraint.split("_")[2:]:
        if part.isdigit():
            return part
    return "n"


def pack_error(error: ServerError) -> bytes:
    return pack_fields(b"E", error.fields)
