"""Errors of procedures: how they are made, and the context that tells where in which procedure they happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from deployer.local.gateway.backend import ServerError
from deployer.local.procedures.executor import StoredProcedure
from deployer.local.procedures.frame import Frame
from deployer.local.procedures.values import BadValue, NoVariable
from deployer.sql.lexer import tokenize
from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Case,
    Cursor,
    Execute,
    ForInteger,
    ForQuery,
    GetRowCount,
    If,
    Leave,
    Loop,
    Raise,
    Return,
    Sql,
    Statement,
    Transaction,
)  # fmt: skip
from deployer.sql.plpgsql_reader import BodyError
from deployer.sql.refused import Refused

Problem = ServerError | Refused | BadValue | NoVariable | BodyError
PROBLEMS = (ServerError, Refused, BadValue, NoVariable, BodyError)
"""What a statement of a procedure may raise."""

DECLARING = "during statement block local variable initialization"


@dataclass
class Running:
    """A procedure that is being run.

    `at` and `doing` say where it is; `user` is whose rights count in it; `handled` are the errors whose handlers are
    running, innermost last.
    """

    procedure: StoredProcedure
    frame: Frame
    user: str
    at: int = 0
    doing: str = ""
    handled: list[ServerError] = field(default_factory=list)

    @property
    def line(self) -> int:
        """The line in the body, whose first is the one after the opening dollar quote.

        As in the guide's examples: a line break right behind the quote does not count.
        """
        body = self.procedure.body
        first = 2 if body.startswith("\r\n") else 1 if body.startswith("\n") else 0
        return body.count("\n", first, self.at) + 1

    @property
    def place(self) -> str:
        """The line of context that the guide shows: PL/pgSQL function "p" line 3 at SQL statement."""
        if not self.doing:
            return (
                f'PL/pgSQL function "{self.procedure.name}" while storing call arguments into local variables'
            )
        joined = self.doing if self.doing == DECLARING else f"at {self.doing}"
        return f'PL/pgSQL function "{self.procedure.name}" line {self.line} {joined}'


_TOLD = "SVCMDHWpq"
"""The fields of an error that a client is told. The rest names PostgreSQL's inside."""


class ProcedureError(ServerError):
    """An error on its way out; `seen` are the procedures that have added their context already."""

    def __init__(self, fields: dict[str, str], seen: tuple[int, ...] = ()) -> None:
        super().__init__({letter: value for letter, value in fields.items() if letter in _TOLD})
        self.seen = seen


def error(sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> ServerError:
    """An error of the interpreter's own."""
    fields = {"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": message}
    if detail:
        fields["D"] = detail
    if hint:
        fields["H"] = hint
    return ServerError(fields)


def as_server_error(problem: Problem) -> ServerError:
    """Any problem in the server's form."""
    match problem:
        case ServerError():
            return problem
        case Refused():
            made = error(problem.sqlstate, problem.message, hint=problem.hint or "")
            if problem.position is not None:
                made.fields["P"] = str(problem.position + 1)
            return made
        case BadValue():
            return error(problem.sqlstate, problem.message)
        case NoVariable():
            return error("42703", str(problem))
        case BodyError():
            return error("0A000" if problem.unsupported else "42601", problem.message)


def in_statement(problem: Problem, sql: str, prefix: int = 0) -> ServerError:
    """The error of a statement that a procedure ran: its position is one in `sql`, not in the client's text.

    `prefix` characters stand before `sql` in what was run.
    """
    told = as_server_error(problem)
    fields = dict(told.fields)
    position = fields.pop("P", None)
    if position is not None and "q" not in fields:
        fields["q"] = sql
        fields["p"] = str(min(max(int(position) - prefix, 1), len(sql) + 1))
    if not fields.get("W"):
        fields["W"] = f'SQL statement "{sql}"'
    return ProcedureError(fields)


def explained(problem: Problem, sql: str, frame: Frame) -> Problem:
    """The error, or a better one when it comes from a field of a record that has no row yet."""
    if as_server_error(problem).sqlstate not in ("42P01", "42703"):
        return problem
    tokens = tokenize(sql)
    for token, following in pairwise(tokens):
        if (
            following.value == "."
            and token.kind in ("word", "quoted")
            and frame.unassigned_record(token.value)
        ):
            return error(
                "55000",
                f'record "{token.value}" is not assigned yet',
                detail="The tuple structure of a not-yet-assigned record is indeterminate.",
            )
    return problem


def in_context(problem: Problem, running: Running) -> ServerError:
    """The error with the line of context of this procedure, which is added once."""
    told = as_server_error(problem)
    seen = told.seen if isinstance(told, ProcedureError) else ()
    if id(running) in seen:
        return told
    fields = dict(told.fields)
    fields.pop("P", None)
    fields["W"] = f"{fields['W']}\n{running.place}" if fields.get("W") else running.place
    return ProcedureError(fields, (*seen, id(running)))


def doing(statement: Statement) -> str:
    """What a line of context calls the statement: PostgreSQL 8.0's words, which the guide's examples show."""
    match statement:
        case Sql():
            return "select into variables" if statement.into else "SQL statement"
        case Assign():
            return "assignment"
        case Execute():
            return "execute statement"
        case If():
            return "if"
        case Case():
            return "case"
        case Loop():
            return "loop" if statement.condition is None else "while"
        case ForInteger():
            return "for with integer counter"
        case ForQuery():
            return "for over execute statement" if statement.dynamic else "for over select rows"
        case Leave():
            return "continue" if statement.again else "exit"
        case Call():
            return "call"
        case Raise():
            return "raise"
        case Return():
            return "return"
        case GetRowCount():
            return "get diagnostics"
        case Cursor():
            return statement.verb
        case Transaction():
            return "start transaction" if statement.verb == "start" else statement.verb
        case Block():
            return "block"
        case _:
            return "null"
