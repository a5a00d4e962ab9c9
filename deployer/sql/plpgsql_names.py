"""Variables whose name stands in a statement where only a name can stand.

PostgreSQL 8.0, from which Redshift descends, puts $1 in the place of every word of a statement that is a variable's
name (the guide's logs show such statements: INSERT INTO test_table_a values ( $1 )). So an alias, a column that is
listed or set, or a table of a variable's name is a syntax error there, while later versions of PostgreSQL tell them
apart. The guide does not say what Redshift does today: it is refused, with the way out.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.sql.lexer import Token
from deployer.sql.plpgsql_ast import Block, Case, ForInteger, ForQuery, If, Loop, Sql, Statement, Text
from deployer.sql.plpgsql_reader import BodyError, read_tokens

_BEFORE_TABLES = frozenset("from join into update table using truncate".split())


def check_names(block: Block, arguments: frozenset[str]) -> None:
    """Raise BodyError for the first such name in the statements of a body. `arguments` are its variables already."""
    names = arguments | {declaration.name for declaration in block.declarations}
    _check_all(block.body, names)
    if block.handler is not None:
        _check_all(block.handler.body, names)


def _check_all(statements: tuple[Statement, ...], names: frozenset[str]) -> None:
    for statement in statements:
        match statement:
            case Block():
                check_names(statement, names)
            case If():
                for _, body in statement.branches:
                    _check_all(body, names)
                _check_all(statement.otherwise, names)
            case Case():
                for _, body in statement.branches:
                    _check_all(body, names)
                _check_all(statement.otherwise or (), names)
            case ForInteger():
                _check_all(statement.body, names | {statement.variable})
            case Loop():
                _check_all(statement.body, names)
            case ForQuery():
                if not statement.dynamic:
                    _check(statement.query, names)
                _check_all(statement.body, names)
            case Sql():
                _check(statement.text, names)
            case _:
                pass


def _check(text: Text, names: frozenset[str]) -> None:
    for token in _pure_names(read_tokens(text.sql)):
        if token.value in names:
            raise BodyError(
                f'"{token.value}" is a variable of the procedure and the name of something else here: Redshift may put '
                "the variable in its place; rename the variable",
                text.at + token.start,
            )


def _pure_names(tokens: list[Token]) -> Iterator[Token]:
    """The unqualified words that can only be names: aliases after AS, columns listed or set, tables."""
    opened: list[str] = []
    for index, token in enumerate(tokens[:-1]):
        before = tokens[index - 1] if index else Token("end", "", 0, 0)
        after = tokens[index + 1]
        if token.kind == "op":
            if token.value == "(":
                opened.append(_list_of_names(tokens, index))
            elif token.value == ")" and opened:
                opened.pop()
            continue
        if token.kind not in ("word", "quoted") or before.value == "." or after.value == ".":
            continue
        inside = opened[-1] if opened else ""
        listed = bool(inside) and before.kind == "op" and before.value in ("(", ",")
        if listed or _is_alias(tokens, index, bool(opened)) or _is_set(tokens, index):
            yield token
        elif before.kind == "word" and before.value in _BEFORE_TABLES and after.value != "(":
            if not _is_extract(tokens, index):
                yield token


def _list_of_names(tokens: list[Token], opening: int) -> str:
    """What the parenthesis at `opening` lists: "insert" or "create" for columns, else nothing."""
    at = opening - 1
    if at < 0 or tokens[at].kind not in ("word", "quoted"):
        return ""
    if tokens[at].value == "insert":
        return "insert"
    while at >= 2 and tokens[at - 1].value == ".":
        at -= 2
    before = tokens[at - 1].value if at else ""
    if before == "into":
        return "insert"
    created = tokens[0].value == "create" and before in ("table", "exists")
    return "create" if created else ""


def _is_alias(tokens: list[Token], index: int, inside: bool) -> bool:
    """AS name, where it is not the type of a CAST."""
    before = tokens[index - 1] if index else None
    if before is None or before.kind != "word" or before.value != "as":
        return False
    return not (inside and _opened_by_cast(tokens, index))


def _opened_by_cast(tokens: list[Token], index: int) -> bool:
    depth = 0
    for at in range(index - 1, -1, -1):
        if tokens[at].kind == "op":
            depth += (tokens[at].value == ")") - (tokens[at].value == "(")
            if depth < 0:
                return at > 0 and tokens[at - 1].value == "cast"
    return False


def _is_set(tokens: list[Token], index: int) -> bool:
    """UPDATE ... SET name = , name =: an assignment, not a comparison."""
    after, before = tokens[index + 1], tokens[index - 1] if index else None
    if after.value != "=" or before is None:
        return False
    if before.kind == "word" and before.value == "set":
        return True
    if before.value != ",":
        return False
    depth = 0
    for at in range(index - 1, -1, -1):
        token = tokens[at]
        if token.kind == "op":
            depth += (token.value == ")") - (token.value == "(")
            if depth < 0:
                return False
        elif depth == 0 and token.kind == "word" and token.value in ("set", "where", "from", "select"):
            return token.value == "set"
    return False


def _is_extract(tokens: list[Token], index: int) -> bool:
    """FROM inside of EXTRACT, TRIM, SUBSTRING: an expression follows, not a table."""
    depth = 0
    for at in range(index - 1, -1, -1):
        token = tokens[at]
        if token.kind == "op":
            depth += (token.value == ")") - (token.value == "(")
            if depth < 0:
                return at > 0 and tokens[at - 1].value in ("extract", "trim", "substring")
        elif depth == 0 and token.kind == "word" and token.value == "select":
            return False
    return False
