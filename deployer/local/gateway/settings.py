"""SET, RESET and SHOW of session parameters.

Source: Redshift Database Developer Guide, "Configuration reference", SET, RESET, SHOW. A parameter that PostgreSQL
shares is set there; one that could change no result here is kept and shown; one that would change results in a way
that the local engine does not follow is refused unless it is set to the value that holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from deployer.sql.lexer import Token, tokenize
from deployer.sql.names import quote_ident
from deployer.sql.parse.words import RESERVED
from deployer.sql.refused import Refused

SHARED = {
    "search_path",
    "statement_timeout",
    "timezone",
    "datestyle",
    "extra_float_digits",
    "intervalstyle",
    "client_encoding",
    "seed",
}

KEPT = {
    "query_group": "unset",
    "wlm_query_slot_count": "1",
    "analyze_threshold_percent": "10",
    "enable_result_cache_for_session": "on",
    "auto_analyze": "on",
    "auto_mv": "on",
    "mv_enable_aqmv_for_session": "on",
    "max_concurrency_scaling_clusters": "1",
    "max_cursor_result_set_size": "default",
    "pg_federation_repeatable_read": "on",
    "datashare_break_glass_session_var": "",
    "enable_vacuum_boost": "off",
    "enable_spectrum_oid": "on",
    "use_fips_ssl": "off",
    "require_ssl": "off",
    "stored_proc_log_min_messages": "log",
    "application_name": "",
}
"""Parameters that change nothing here: speed, logging, datashares and federated queries -> their default."""

FIXED = {
    "enable_case_sensitive_identifier": "on",
    "downcase_delimited_identifier": "off",
    "enable_numeric_rounding": "off",
    "navigate_super_null_on_error": "on",
    "cast_super_null_on_error": "on",
    "parse_super_null_on_error": "off",
    "json_serialization_enable": "off",
    "json_serialization_parse_nested_strings": "off",
    "default_geometry_encoding": "1",
    "isolation_level": "snapshot",
    "spectrum_enable_pseudo_columns": "on",
    "spectrum_query_maxerror": "-1",
}
"""Parameters that change results -> the only value that the local engine has. The case-sensitive identifiers are what
zero-ETL demands."""

SWITCHED = {
    "enable_case_sensitive_super_attribute": "off",
    "error_on_nondeterministic_update": "off",
    "default_array_search_null_handling": "on",
    "interval_forbid_composite_literals": "on",
    "describe_field_name_in_uppercase": "off",
    "json_parse_dedup_attributes": "off",
    "json_parse_truncate_strings": "off",
}
"""Parameters that are on or off and that the translator or the gateway follows (options) -> their default."""

SHOWN = {
    "server_version": "8.0.2",
    "server_encoding": "UTF8",
    "standard_conforming_strings": "off",
    "integer_datetimes": "on",
    "is_superuser": "",
    "transaction_isolation": "",
}
"""What can only be shown; an empty text stands for PostgreSQL's own answer."""

CONTEXT = "zeroshift_context."
"""What PostgreSQL's name of a session context variable, `identifier.identifier` (r_SET), begins with."""

_INTERVAL_OFFSET = re.compile(r"\s*([+-]?)\s*(?:(\d{1,2}):(\d\d)|(\d{1,3})\s*(hours?|minutes?))\s*")

_LISTS = frozenset(["datashares", "templates"])
"""SHOW commands of one word that the local Redshift does not have."""

_SWITCH = {
    "true": "on",
    "on": "on",
    "1": "on",
    "yes": "on",
    "false": "off",
    "off": "off",
    "0": "off",
    "no": "off",
}


@dataclass(frozen=True)
class Setting:
    """PostgreSQL's text for the statement. `column` is the name the answer's column is to have (SHOW)."""

    sql: str
    column: str = ""


def setting(text: str) -> Setting:
    """The PostgreSQL text of a SET, RESET or SHOW. Raises Refused."""
    tokens = tokenize(text)
    verb = tokens[0].value
    if verb in ("use", "desc"):
        what = " ".join(token.value for token in tokens[: 1 if verb == "use" else 3] if token.kind == "word")
        raise _refuse(f"{what.upper()} is not supported by the local Redshift yet", tokens[0])
    if verb == "set":
        return _set(tokens[1:])
    if verb == "reset":
        return _reset(tokens[1:])
    return _show(tokens[1:])


def parameter(name: str, value: str) -> str:
    """PostgreSQL's name of the parameter that a procedure sets to `value`. Raises Refused."""
    if name in SHARED:
        return name
    if name in FIXED and not _same(value, FIXED[name]):
        raise Refused(f"{name} is always {FIXED[name]} in the local Redshift")
    if name in KEPT or name in FIXED or name in SWITCHED:
        return f"zeroshift.{name}"
    raise Refused(f'unrecognized configuration parameter "{name}"', sqlstate="42704")


def _refuse(message: str, token: Token, sqlstate: str = "0A000", hint: str | None = None) -> Refused:
    return Refused(message, position=token.start, sqlstate=sqlstate, hint=hint)


def _set(tokens: list[Token]) -> Setting:
    scope = ""
    if tokens[0].kind == "word" and tokens[0].value in ("session", "local"):
        if tokens[0].value == "session" and tokens[1].value in ("characteristics", "authorization"):
            raise _refuse(
                "SET SESSION AUTHORIZATION in a procedure is not supported by the local Redshift"
                if tokens[1].value == "authorization"
                else "SET SESSION CHARACTERISTICS is not supported by the local Redshift: a database's isolation level "
                "holds for all its transactions",
                tokens[1],
            )
        scope = tokens[0].value + " "
        tokens = tokens[1:]
    name_token = tokens[0]
    name, rest = _name(tokens)
    if name == "time zone":
        # SET TIME ZONE takes no TO, and an INTERVAL too (timezone, r_timezone_config).
        name, rest = "timezone", [name_token, *_offset(rest)]
    elif name == "timezone" and rest and rest[0].value == "interval":
        # The same page's example: set timezone interval '-8 hours'.
        rest = [name_token, *_offset(rest)]
    elif not rest or rest[0].value not in ("to", "="):
        raise _refuse(f'syntax error: SET {name} must be followed by TO or "="', name_token, "42601")
    values = [token for token in rest[1:] if not (token.kind == "op" and token.value == ",")]
    if values and values[-1].kind == "end":
        values.pop()
    if not values:
        raise _refuse(f"syntax error: SET {name} has no value", name_token, "42601")
    default = len(values) == 1 and values[0].kind == "word" and values[0].value == "default"
    if "." in name:
        if default:
            raise _refuse(
                f"SET {name} TO DEFAULT: a context variable has no default; use RESET", values[0], "42601"
            )
        return Setting(
            f"set {scope}{_context(name)} to " + _literal("".join(token.value for token in values))
        )
    if name == "search_path":
        if default:
            return Setting(f"set {scope}search_path to default")
        for token in values:
            if token.kind not in ("word", "quoted", "string"):
                raise _refuse("syntax error in the schemas of search_path", token, "42601")
        schemas = [
            part.strip() for t in values for part in ([t.value] if t.kind != "string" else t.value.split(","))
        ]
        return Setting(
            f"set {scope}search_path to " + ", ".join(quote_ident(s.strip('"')) for s in schemas if s)
        )
    value = "".join(token.value for token in values)
    if name == "statement_timeout" and not default and not value.isdigit():
        raise _refuse("statement_timeout takes a number of milliseconds", values[0], "22023")
    if name == "timezone" and ":" in value and (match := _INTERVAL_OFFSET.fullmatch(value)) is not None:
        # An ISO 8601 offset (r_timezone_config), which PostgreSQL would read as POSIX, the other way round.
        value = _zone(match)
    if name in SHARED:
        return Setting(f"set {scope}{name} to " + ("default" if default else _literal(value)))
    if name in KEPT:
        return Setting(f"set {scope}zeroshift.{name} to " + _literal(KEPT[name] if default else value))
    if name in SWITCHED:
        chosen = SWITCHED[name] if default else _SWITCH.get(value.lower())
        if chosen is None:
            raise _refuse(f"{name} is true or false, not {value}", values[0], "22023")
        return Setting(f"set {scope}zeroshift.{name} to {_literal(chosen)}")
    if name in FIXED:
        if default or _same(value, FIXED[name]):
            return Setting(f"set {scope}zeroshift.{name} to " + _literal(FIXED[name]))
        raise _refuse(
            f"{name} is always {FIXED[name]} in the local Redshift: {value} would change results",
            values[0],
        )
    raise _unknown(name, name_token)


def _reset(tokens: list[Token]) -> Setting:
    name, rest = _name(tokens)
    if "." in name:
        # "If the value to RESET is a session context variable, Amazon Redshift sets it to NULL": r_RESET.
        return Setting(f"set {_context(name)} to ''")
    if name == "time zone":
        name = "timezone"
    if name == "all" or name in SHARED:
        return Setting(f"reset {name}")
    if name in KEPT or name in FIXED or name in SWITCHED:
        return Setting(f"set zeroshift.{name} to " + _literal((KEPT | FIXED | SWITCHED)[name]))
    raise _unknown(name, tokens[0])


def _show(tokens: list[Token]) -> Setting:
    words = [token.value for token in tokens[:-1]]
    if words == ["transaction", "isolation", "level"]:
        return Setting("show transaction_isolation", "transaction_isolation")
    if words[:1] == ["version"]:
        # DG "Unsupported PostgreSQL functions" lists it by this name.
        raise _refuse("SHOW VERSION is not supported on Redshift; use SELECT VERSION()", tokens[0])
    name, rest = _name(tokens)
    if name == "all" and rest[0].kind == "end":
        return Setting(_all())
    if name in _LISTS or (rest and rest[0].kind != "end"):
        what = f"{name} {rest[0].value}" if name in ("external", "identity", "masking", "rls") else name
        raise _refuse(
            f"SHOW {what.upper()} is not supported by the local Redshift; ask SVV_ALL_SCHEMAS, SVV_ALL_TABLES "
            "or SVV_ALL_COLUMNS",
            tokens[0],
        )
    if "." in name:
        return Setting(f"select redshift.current_setting({_literal(name)}, true)::varchar", name)
    if name == "time zone":
        name = "timezone"
    if name in SHARED:
        return Setting(f"show {name}", name)
    if name in SHOWN:
        return Setting(f"select {_literal(SHOWN[name])}::varchar" if SHOWN[name] else f"show {name}", name)
    if name in KEPT or name in FIXED or name in SWITCHED:
        return Setting(f"select {_kept(name)}::varchar", name)
    raise _unknown(name, tokens[0])


def _kept(name: str) -> str:
    """The value of a parameter that PostgreSQL does not have."""
    fallback = _literal((KEPT | FIXED | SWITCHED)[name])
    return f"coalesce(nullif(current_setting('zeroshift.{name}', true), ''), {fallback})"


def _all() -> str:
    """SHOW ALL: every parameter that can be set, with the columns that r_SHOW prints."""
    values = {name: f"current_setting('{name}')" for name in SHARED}
    values |= {name: _kept(name) for name in KEPT | FIXED | SWITCHED}
    rows = ", ".join(f"('{name}', {value})" for name, value in sorted(values.items()))
    return f"select name::varchar, setting::varchar from (values {rows}) as parameters (name, setting)"


def _name(tokens: list[Token]) -> tuple[str, list[Token]]:
    """A parameter's name in lower case (two words for TIME ZONE), and the tokens behind it."""
    if tokens[0].kind not in ("word", "quoted"):
        raise _refuse("syntax error: a parameter's name is missing", tokens[0], "42601")
    name = tokens[0].value.lower()
    if name == "time" and tokens[1].value == "zone":
        return "time zone", tokens[2:]
    if tokens[1].value == "." and tokens[2].kind == "word" and tokens[0].kind == "word":
        for token in (tokens[0], tokens[2]):
            # "an identifier that follows the standard identifier rules": r_SET.
            if token.value.upper() in RESERVED:
                raise _refuse(f'syntax error at or near "{token.value}"', token, "42601")
        return f"{name}.{tokens[2].value}", tokens[3:]
    return name, tokens[1:]


def _context(name: str) -> str:
    """PostgreSQL's name of a session context variable, in delimiters: what it reserves Redshift may not."""
    return CONTEXT + ".".join(quote_ident(part) for part in name.split("."))


def _offset(tokens: list[Token]) -> list[Token]:
    """The zone behind SET TIME ZONE. INTERVAL '-8 hours' is written as PostgreSQL reads it in its place: UTC-8."""
    if not tokens or tokens[0].value != "interval":
        return tokens
    if len(tokens) < 2 or tokens[1].kind != "string":
        raise _refuse("syntax error: INTERVAL must be followed by a string", tokens[0], "42601")
    match = _INTERVAL_OFFSET.fullmatch(tokens[1].value)
    if match is None:
        raise _refuse(
            f"time zone interval {tokens[1].value!r} is neither hours nor minutes", tokens[1], "22023"
        )
    return [replace(tokens[1], value=_zone(match)), *tokens[2:]]


def _zone(match: re.Match[str]) -> str:
    """An offset whose positive sign is east, as a POSIX zone, <name>offset, whose signs count westwards."""
    sign, hours, minutes, count, unit = match.groups()
    total = int(count) * (60 if unit.startswith("hour") else 1) if count else int(hours) * 60 + int(minutes)
    size = f"{total // 60:02}:{total % 60:02}"
    return f"<{sign or '+'}{size}>{'+' if sign == '-' else '-'}{size}"


def _unknown(name: str, token: Token) -> Refused:
    return _refuse(f'unrecognized configuration parameter "{name}"', token, "42704")


def _literal(value: str) -> str:
    """A PostgreSQL string literal; values come from the user."""
    return (
        "'" + value.replace("'", "''") + "'"
        if "\\" not in value
        else "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    )


def _same(value: str, fixed: str) -> bool:
    value = value.lower()
    return _SWITCH.get(value, value) == _SWITCH.get(fixed, fixed)
