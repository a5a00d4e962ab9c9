"""Named parameters: `:name` in a statement's text becomes `$1`, `$2` ...

Source: Redshift Management Guide, data-api, "Running SQL statements with parameters". Each use gets a number of its
own, as from a driver that turns names into question marks: the guide's `SELECT :colname, FROM event` reports its syntax
error at position 12, which is FROM's behind `$1`. Names in comments, strings and `::` casts are none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deployer.local.data_api.errors import Invalid
from deployer.sql.lexer import LexError, tokenize

_NAME = re.compile(r"[0-9a-zA-Z_]+(?![\w$])")
_WORD = re.compile(r"[\w$]")


def named(parameters: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The parameters by name, which is case-sensitive. Raises Invalid for a name given twice (not documented)."""
    values: dict[str, str] = {}
    for parameter in parameters:
        if parameter["name"] in values:
            raise Invalid(f"the parameter {parameter['name']} is given twice")
        values[parameter["name"]] = parameter["value"]
    return values


def bind(sql: str, values: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text with `$n` for each parameter that is used, and the names in the order of their numbers.

    Names that have no value stay as they are, and the warehouse says what it makes of them.
    """
    if not values:
        return sql, ()
    try:
        tokens = tokenize(sql)
    except LexError:
        # The warehouse will say it, and where.
        return sql, ()
    pieces: list[str] = []
    names: list[str] = []
    done = 0
    for token in tokens:
        if token.kind != "op" or token.value != ":" or token.start < done:
            continue
        name = _NAME.match(sql, token.end)
        if name is None or name.group() not in values:
            continue
        names.append(name.group())
        # Behind a word `$1` would be part of it.
        gap = " " if token.start and _WORD.match(sql, token.start - 1) else ""
        pieces += [sql[done : token.start], f"{gap}${len(names)}"]
        done = name.end()
    return "".join([*pieces, sql[done:]]), tuple(names)


def check_used(sqls: Sequence[str], values: Mapping[str, str]) -> None:
    """Raise Invalid unless every parameter is used by one of the statements (BatchExecuteStatement's page).

    The sentence is the service's, for one parameter, as issue 4 of getting-started-with-amazon-redshift-data-api
    (aws-samples) quotes it.
    """
    used = {name for sql in sqls for name in bind(sql, values)[1]}
    unused = [name for name in values if name not in used]
    if unused:
        raise Invalid(f"Parameters list contains unused parameters. Unused parameters: [{', '.join(unused)}]")
