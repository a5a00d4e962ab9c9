"""The [pipeline.<name>] tables of zeroshift.toml: what a run of a pipeline may cost, and how it is found in the bill.

A limit has to be set before the CALL, in the session that sends it. What Redshift documents leaves two ways: a session
of the Data API that is kept between statements (`zeroshift run`), or one request with several statements that commit
one by one (BatchExecuteStatement, ExecutionMode AUTO_COMMIT), for callers that have one request only, as schedules
(which send the CALL alone when the pipeline has no table here).
Both send what `settings` returns, then the CALL. (That the statements of a batch share a session is not said in words;
SessionId and SessionKeepAliveSeconds are the request's.) What does not do:

- SET and CALL in a batch of the default mode TRANSACTION: the CALL is then in a transaction block, where a procedure
  that commits is refused (developer guide, stored-procedure-transaction-management).
- CREATE PROCEDURE ... SET: refuses COMMIT in the procedure and all it calls (same page).
- SET LOCAL in a procedure is not supported (stored-procedure-constraints), and no page says that a statement_timeout
  that is set while a CALL runs applies to that CALL.
- ALTER USER ... SET is for all sessions of a user (r_ALTER_USER), and all pipelines run as one.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.project.environments import QUERY_GROUP, STATEMENT_SECONDS, Cost
from deployer.project.toml_file import Reader
from deployer.sql.names import quote_literal

_KEYS = ("statement_timeout", "query_group")


@dataclass(frozen=True)
class Pipeline:
    """What zeroshift.toml says of a pipeline. 0 and empty: the environment's own, see `settings`."""

    name: str
    statement_timeout: int = 0
    query_group: str = ""
    line: int = 0


def read(reader: Reader, name: str, value: object) -> Pipeline:
    """The table [pipeline.<name>]; raises UsageError with file and line."""
    at = ("pipeline", name)
    table = reader.table(at, value)
    reader.check_keys(at, table, _KEYS)
    return Pipeline(
        name,
        reader.number(at, table, "statement_timeout", 1, STATEMENT_SECONDS, 0)
        if "statement_timeout" in table
        else 0,
        reader.matching(at, table, "query_group", QUERY_GROUP, "letters, digits, blanks and .:_-", ""),
        reader.line_of(at),
    )


def settings(pipeline: Pipeline, cost: Cost) -> tuple[str, ...]:
    """The statements that set a run's limit and label, before its CALL, in its session.

    statement_timeout is in milliseconds and counts queueing, too (developer guide, r_statement_timeout). The label is
    SYS_QUERY_HISTORY's query_label for every statement of the run: its default names the pipeline.
    """
    seconds = pipeline.statement_timeout or cost.statement_timeout
    label = pipeline.query_group or f"{cost.query_group}-{pipeline.name}"
    return (
        f"set statement_timeout to {seconds * 1000}",
        f"set query_group to {quote_literal(label)}",
    )
