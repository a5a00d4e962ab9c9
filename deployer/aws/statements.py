"""SQL through the Redshift Data API: the way that schedules go, so that a run by hand is the same thing.

Source: botocore's model of redshift-data; Redshift Management Guide, data-api and
data-api-calling-considerations-long-polling. What a statement fails with is no exception there but its status and text.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployer.aws.client import Aws, AwsError
from deployer.errors import StatementFailed, Unavailable
from deployer.project.environments import CLUSTER, Environment

SERVICE = "redshift-data"
WAIT_SECONDS = 20
"""How long the service holds an answer back while the statement runs (at most 30)."""
CANCEL_SECONDS = 30.0
KEEP_SECONDS = 60
"""How long a session outlives the statement before the one that it was made for."""
LOST_SECONDS = 60.0
"""How long the service may be out of reach before we stop asking after a statement."""

_ACTIVE = ("SUBMITTED", "PICKED", "STARTED")
_LABEL = re.compile(r"\n\s*(Detail|Hint|Position|Where): ")
_FRAME = re.compile(r'PL/pgSQL function "?([^"\s(]+)"?(?:\([^)]*\))? line (\d+)')
_SEVERITY = re.compile(r"^(Query #\d+ failed with )?(ERROR|FATAL|PANIC): ")


@dataclass(frozen=True)
class Finished:
    """A statement that has finished. Times are UTC without a zone, by the service's clock."""

    id: str
    created_at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class Failed:
    """A statement that failed or was cancelled, with its error in one line and `within`. Times as in Finished."""

    id: str
    created_at: datetime
    ended_at: datetime
    error: str
    within: str = ""


class DataApi:
    """The warehouse of an environment, by way of the Data API. `name` is the workgroup's or the cluster's."""

    def __init__(self, aws: Aws, environment: Environment) -> None:
        remote = aws.remote
        self._aws = aws
        target = "ClusterIdentifier" if environment.kind == CLUSTER else "WorkgroupName"
        self._where = {target: remote.identifier, "Database": remote.database}
        if remote.secret:
            self._where["SecretArn"] = remote.secret

    def execute(
        self,
        sql: str,
        name: str,
        started: Callable[[str], None] = lambda _: None,
        *,
        settings: Sequence[str] = (),
    ) -> Finished:
        """Run one statement and wait for its end; `started` gets its id. Ctrl-C cancels it.

        With `settings`, statements like SET, it runs in a session of its own that they have prepared: each is a
        request of its own, since a session takes one at a time, and the last one only comes when all have succeeded.

        Raises StatementFailed when it fails or is cancelled, AwsError when it is not accepted, Unavailable when the
        service is out of reach; then the statement may still be running, and the message names it.
        """
        where: dict[str, Any] = dict(self._where)
        for setting in settings:
            told = self._aws.call(
                SERVICE, "execute_statement", Sql=setting, StatementName=name,
                SessionKeepAliveSeconds=KEEP_SECONDS, **where,
            )  # fmt: skip
            self._ended(str(told["Id"]), setting)
            # The session knows where it is: nothing else may be said beside it.
            where = {"SessionId": told["SessionId"]}
        if settings:
            # It ends with the statement.
            where["SessionKeepAliveSeconds"] = 0
        told = self._aws.call(SERVICE, "execute_statement", Sql=sql, StatementName=name, **where)
        statement = str(told["Id"])
        return self._ended(statement, sql, started)

    def _ended(self, statement: str, sql: str, started: Callable[[str], None] = lambda _: None) -> Finished:
        try:
            started(statement)
            found = self._wait(statement)
        except KeyboardInterrupt:
            self._cancel(statement)
            raise
        if found["Status"] == "FINISHED":
            return Finished(statement, _utc(found["CreatedAt"]), _utc(found["UpdatedAt"]))
        text, position = readable(found.get("Error") or "")
        if found["Status"] == "ABORTED":
            text = f"statement {statement} was cancelled" + (f": {text}" if text else "")
        raise StatementFailed(
            text or f"statement {statement} failed, and the Data API tells no reason",
            sql=sql,
            where=within(found.get("Error") or ""),
            position=position,
        )

    def ask(self) -> None:
        """See that the service answers this caller. Raises AwsError or Unavailable."""
        next(self._listed("", "FINISHED"), None)

    def failed(self, text: str, at: datetime) -> tuple[Failed, ...]:
        """The statements that hold `text`, were under way at `at`, and have failed or were cancelled since.

        Only those of the caller's own role are known (Redshift Management Guide, data-api: a statement belongs to the
        role that ran it), and those of the last 24 hours. None while one with `text` from before `at` is still active.
        """
        if any(_utc(item["CreatedAt"]) <= at for state in _ACTIVE for item in self._listed(text, state)):
            return ()
        found = []
        for state in ("FAILED", "ABORTED"):
            for item in self._listed(text, state):
                if not _utc(item["CreatedAt"]) <= at <= _utc(item["UpdatedAt"]):
                    continue
                told = self._aws.call(SERVICE, "describe_statement", Id=item["Id"]).get("Error") or ""
                error = f"statement {item['Id']} was cancelled" if state == "ABORTED" else readable(told)[0]
                times = _utc(item["CreatedAt"]), _utc(item["UpdatedAt"])
                found.append(Failed(str(item["Id"]), *times, error, within(told)))
        return tuple(found)

    def _listed(self, text: str, state: str) -> Iterator[dict[str, Any]]:
        where = {key: value for key, value in self._where.items() if key != "SecretArn"}
        for item in self._aws.pages(SERVICE, "list_statements", "Statements", Status=state, **where):
            # A batch, as schedules send it, tells all of its statements.
            if any(text in sql for sql in (item.get("QueryString", ""), *item.get("QueryStrings", ()))):
                yield item

    def _wait(self, statement: str) -> dict[str, Any]:
        """Its description, once it has ended."""
        heard = time.monotonic()
        while True:
            try:
                found = self._aws.call(
                    SERVICE, "describe_statement", Id=statement, WaitTimeSeconds=WAIT_SECONDS
                )
            except (Unavailable, AwsError) as error:
                # A client that waits does not stop the statement, so it should not give up for a moment's outage.
                if isinstance(error, AwsError) and error.code not in (
                    "ActiveWaitingRequestsExceededException", "InternalServerException", "ThrottlingException",
                ):  # fmt: skip
                    raise
                if time.monotonic() - heard > LOST_SECONDS:
                    raise Unavailable(
                        f"the Data API does not answer any more ({error}); statement {statement} may still be"
                        " running: see `zeroshift status`"
                    ) from error
                time.sleep(1)
                continue
            heard = time.monotonic()
            if found["Status"] in ("FINISHED", "FAILED", "ABORTED"):
                return found

    def _cancel(self, statement: str) -> None:
        """Cancel, and see it end. Raises Unavailable when it may go on."""
        try:
            self._aws.call(SERVICE, "cancel_statement", Id=statement)
        except AwsError as error:
            if error.code == "ValidationException":
                # It has ended meanwhile.
                return
            raise _goes_on(statement, error) from error
        except Unavailable as error:
            raise _goes_on(statement, error) from error
        deadline = time.monotonic() + CANCEL_SECONDS
        status = ""
        while time.monotonic() < deadline:
            try:
                found = self._aws.call(SERVICE, "describe_statement", Id=statement, WaitTimeSeconds=5)
            except (Unavailable, AwsError) as error:
                raise _goes_on(statement, error) from error
            status = found["Status"]
            if status in ("FINISHED", "FAILED", "ABORTED"):
                return
        raise _goes_on(statement, f"it is {status} still")


def _goes_on(statement: str, reason: object) -> Unavailable:
    return Unavailable(
        f"interrupted, but statement {statement} could not be cancelled and may go on ({reason});"
        " see `zeroshift status`"
    )


def readable(error: str) -> tuple[str, int | None]:
    """The Data API's error text in one line, as those of a direct connection read, and the position it names."""
    pieces = _LABEL.split(error.strip())
    message = _SEVERITY.sub(lambda found: found.group(1) or "", pieces[0])
    position = None
    for label, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if label == "Detail":
            message = f"{message.rstrip('.')}; {text}"
        elif label == "Hint":
            message = f"{message.rstrip('.')}; hint: {text}"
        elif label == "Position" and text.strip().isdigit():
            position = int(text)
    return message, position


def within(error: str) -> str:
    """The innermost procedure that the Data API's error text names, and its line; empty without one."""
    found = _FRAME.search(error)
    return f"procedure {found[1]}, line {found[2]}" if found else ""


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
