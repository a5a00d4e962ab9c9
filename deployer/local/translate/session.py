"""Statements about the session: EXPLAIN, LOCK, ANALYZE, VACUUM, cursors, prepared statements.

BEGIN, COMMIT, ROLLBACK, SET, RESET and SHOW are the gateway's own, and not translated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deployer.local.translate import materialized
from deployer.local.translate.api import EXTERNAL_TABLE, Translation
from deployer.local.translate.bind_from import physical
from deployer.local.translate.bind_queries import Binder
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.scope import Scope
from deployer.sql.lacking import COMMANDS as _LACKING
from deployer.sql.names import quote_ident
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

Statement = Callable[[Parser, Context], Translation]

_NOT_YET = frozenset("copy unload cancel desc use".split())


def statement(parser: Parser, context: Context, translate: Statement) -> Translation | None:
    """The statement at the cursor, or None when its first word begins none of these."""
    token = parser.token
    word = token.value if token.kind == "word" else ""
    found = {
        "explain": lambda: _explain(parser, context, translate),
        "lock": lambda: _lock(parser, context),
        "analyze": lambda: _analyze(parser, context),
        "analyse": lambda: _analyze(parser, context),
        "vacuum": lambda: _vacuum(parser, context),
        "declare": lambda: _declare(parser, context),
        "fetch": lambda: _fetch(parser, context),
        "close": lambda: _close(parser, context),
        "prepare": lambda: _prepare(parser, context, translate),
        "execute": lambda: _execute(parser, context),
        "deallocate": lambda: _deallocate(parser, context),
        "refresh": lambda: materialized.refresh(parser, context),
    }.get(word)
    if found is not None:
        return found()
    if word == "values":
        parser._refuse_values()
    if word in _LACKING:
        parser.refuse(_LACKING[word])
    if word in _NOT_YET:
        parser.refuse(f"{word.upper()} is not supported by the local Redshift yet")
    if word == "call":
        parser.refuse("CALL cannot run here: send it as a statement of its own")
    if word in ("begin", "start", "commit", "end", "rollback", "abort", "set", "reset", "show"):
        parser.refuse(f"{word.upper()} cannot run here: send it as a statement of its own")
    return None


def _explain(parser: Parser, context: Context, translate: Statement) -> Translation:
    parser.expect("explain")
    if parser.any_word(("analyze", "analyse")) or parser.is_op("("):
        parser.refuse(
            "EXPLAIN ANALYZE and EXPLAIN (options) are not supported on Redshift; write EXPLAIN [VERBOSE]"
        )
    verbose = parser.accept("verbose")
    inner = translate(parser, context)
    if inner.kind not in ("select", "insert", "update", "delete", "create_table_as"):
        parser.refuse("EXPLAIN takes SELECT, INSERT, UPDATE, DELETE, CREATE TABLE AS or SELECT INTO")
    if len(inner.statements) > 1:
        # The table of CREATE TABLE AS does not exist: its query is what is explained.
        main = inner.statements[inner.main]
        query = main[main.index(") ") + 2 :]
    else:
        query = inner.statements[0]
    sql = f"EXPLAIN {'VERBOSE ' if verbose else ''}{query}"
    # Redshift shows such a plan with its filters hidden ("RLS SecureScan"); this one has nothing to hide them behind.
    checks = tuple(
        f"SELECT zeroshift.require_explain({pg_literal(privilege)}, {pg_literal(relation)})"
        for privilege, relation in sorted(context.protected.items())
    )
    plain = replace(inner, main=0, kind="explain", columns=(), written=None, exclusive="")
    return replace(plain, statements=(sql,), checks=checks)


def _lock(parser: Parser, context: Context) -> Translation:
    """LOCK takes ACCESS EXCLUSIVE and nothing else, on tables only."""
    parser.expect("lock")
    parser.accept("table")
    names = []
    while True:
        pos = parser.token.start
        relation = context.relation(parser.name(), pos)
        if relation.kind != "table":
            raise Refused(
                f'"{relation.name}" is not a table: views cannot be locked', position=pos, sqlstate="42809"
            )
        names.append(physical(relation))
        if not parser.accept_op(","):
            break
    if parser.is_word("in") or parser.is_word("nowait"):
        parser.refuse("LOCK takes no mode and no NOWAIT on Redshift: it is always ACCESS EXCLUSIVE")
    parser.done()
    return finish(context, [f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"], kind="lock")


def _analyze(parser: Parser, context: Context) -> Translation:
    parser.next()
    if parser.is_word("compression"):
        parser.refuse(
            "ANALYZE COMPRESSION is not supported by the local Redshift, which does not compress columns"
        )
    parser.accept("verbose")
    target = columns = ""
    if parser.is_identifier() and not parser.any_word(("predicate",)):
        pos = parser.token.start
        relation = context.relation(parser.name(), pos)
        if relation.kind == EXTERNAL_TABLE:
            # "Amazon Redshift doesn't analyze external tables": DG "CREATE EXTERNAL TABLE", numRows.
            raise Refused(
                "external tables cannot be analyzed: set the table property 'numRows'", position=pos
            )
        target = " " + physical(relation)
        if parser.is_op("("):
            columns = f" ({', '.join(quote_ident(name) for name in parser.identifiers())})"
    if not parser.accept("predicate", "columns"):
        parser.accept("all", "columns")
    parser.done()
    return finish(context, [f"ANALYZE{target}{columns}"], kind="analyze")


def _vacuum(parser: Parser, context: Context) -> Translation:
    """Every kind of VACUUM reclaims space here; sorting is not physical in the local engine."""
    parser.expect("vacuum")
    for words in (("full",), ("sort", "only"), ("delete", "only"), ("reindex",), ("recluster",)):
        if parser.accept(*words):
            break
    if parser.any_word(("analyze", "verbose", "freeze")) or (parser.is_op("(")):
        parser.refuse(
            "VACUUM takes FULL, SORT ONLY, DELETE ONLY, REINDEX or RECLUSTER on Redshift", sqlstate="42601"
        )
    target = ""
    if parser.is_identifier():
        pos = parser.token.start
        target = " " + physical(context.relation(parser.name(), pos))
    if parser.accept("to"):
        share = parser.integer()
        if not 0 <= share <= 100:
            parser.refuse("the threshold of VACUUM is a percentage from 0 to 100", sqlstate="22023")
        parser.expect("percent")
    parser.accept("boost")
    parser.done()
    return finish(context, [f"VACUUM{target}"], kind="vacuum")


def _declare(parser: Parser, context: Context) -> Translation:
    parser.expect("declare")
    name = parser.identifier()
    if parser.any_word(("scroll", "insensitive", "binary", "asensitive", "no")):
        parser.refuse(
            f"{parser.token.value.upper()} cursors are not supported on Redshift; write DECLARE c CURSOR FOR"
        )
    parser.expect("cursor")
    # psycopg2 says it, and it is what DECLARE means on Redshift.
    if not parser.accept("without", "hold") and parser.any_word(("with", "without")):
        parser.refuse("WITH HOLD is not supported on Redshift: a cursor lives in its transaction")
    parser.expect("for")
    query = parser.query()
    parser.done()
    bound = Binder(context).query(query, None)
    context.check(parser.catalog_only, parser.leader_node)
    sql = f"DECLARE {quote_ident(name)} NO SCROLL CURSOR FOR {bound.sql}"
    checks = (f"SELECT zeroshift.require_no_cursor({pg_literal(name)})",)
    return replace(finish(context, [sql], kind="declare"), checks=checks)


def _fetch(parser: Parser, context: Context) -> Translation:
    """FETCH [NEXT | ALL | FORWARD [n | ALL]] FROM cursor: forwards only (DG fetch)."""
    parser.expect("fetch")
    token = parser.token
    if parser.accept("next"):
        amount = "NEXT"
    elif parser.accept("all"):
        amount = "FORWARD ALL"
    elif parser.accept("forward"):
        if parser.accept("all"):
            amount = "FORWARD ALL"
        elif parser.token.kind == "number":
            amount = f"FORWARD {parser.integer()}"
        else:
            amount = "FORWARD 1"
    elif parser.token.kind == "number":
        amount = f"FORWARD {parser.integer()}"
    else:
        if parser.any_word(("prior", "first", "last", "absolute", "relative", "backward")):
            parser.refuse(
                f"FETCH {token.value.upper()} is not supported on Redshift: cursors go forward only", token
            )
        amount = "NEXT"
    parser.accept("from") or parser.accept("in")
    name = parser.identifier()
    parser.done()
    return finish(context, [f"FETCH {amount} FROM {quote_ident(name)}"], kind="fetch")


def _close(parser: Parser, context: Context) -> Translation:
    parser.expect("close")
    name = parser.identifier()
    parser.done()
    return finish(context, [f"CLOSE {quote_ident(name)}"], kind="close")


def _prepare(parser: Parser, context: Context, translate: Statement) -> Translation:
    parser.expect("prepare")
    name = parser.identifier()
    kinds = []
    if parser.accept_op("("):
        while True:
            kinds.append(parser.type())
            if not parser.accept_op(","):
                break
        parser.expect_op(")")
    parser.expect("as")
    typed = {f"${index + 1}": kind for index, kind in enumerate(kinds)}
    inner = translate(parser, Context(context.catalog, {**context.variables, **typed}))
    if inner.external:
        parser.refuse("PREPARE of a query on external tables is not supported by the local Redshift")
    if inner.kind not in ("select", "insert", "update", "delete"):
        parser.refuse("PREPARE takes SELECT, INSERT, UPDATE or DELETE on Redshift")
    listed = f" ({', '.join(pg_type(kind) for kind in kinds)})" if kinds else ""
    sql = f"PREPARE {quote_ident(name)}{listed} AS {inner.statements[0]}"
    noted = "SELECT zeroshift.note_prepared()"
    return replace(inner, statements=(sql, noted), kind="prepare", columns=())


def _execute(parser: Parser, context: Context) -> Translation:
    parser.expect("execute")
    name = parser.identifier()
    values = []
    if parser.accept_op("("):
        binder = Binder(context)
        while True:
            values.append(binder.expr(parser.expr(), Scope()).sql)
            if not parser.accept_op(","):
                break
        parser.expect_op(")")
    parser.done()
    listed = f" ({', '.join(values)})" if values else ""
    found = finish(context, [f"EXECUTE {quote_ident(name)}{listed}"], kind="execute")
    return replace(found, checks=("SELECT zeroshift.check_prepared()",))


def _deallocate(parser: Parser, context: Context) -> Translation:
    parser.expect("deallocate")
    parser.accept("prepare")
    if parser.accept("all"):
        parser.done()
        forget = "RESET zeroshift.prepared_epoch"
        return finish(context, [forget, "DEALLOCATE ALL"], kind="deallocate", main=1)
    target = quote_ident(parser.identifier())
    parser.done()
    return finish(context, [f"DEALLOCATE {target}"], kind="deallocate")
