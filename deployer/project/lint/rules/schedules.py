"""ZS8, first half: schedules. AWS takes nearly all of one unread, and it fails when it fires."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.ddl import CallNode
from deployer.project.lint.eventbridge_files import EventbridgeContent
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.inference import Scope, Typer, type_from
from deployer.project.lint.registry import on_files
from deployer.project.lint.units import Content, Procedure, Unit, make_unit
from deployer.project.schedules import calls, expression
from deployer.project.schedules.expression import Expression, ExpressionError
from deployer.project.schedules.model import SCHEDULED_TIME, TOKEN_HOURS, Schedule
from deployer.sql.overloads import distance, type_name
from deployer.sql.parse.nodes import Literal, Query, Select
from deployer.sql.types import RedshiftType

_SCHEDULER = "https://docs.aws.amazon.com/scheduler/latest/UserGuide/"
Places = Iterator[tuple[int, int, str]]

_GOOD = (
    'expression = "cron(5 * * * ? *)"\n'
    "statement = \"call ops.run_rental(timestamp '<aws.scheduler.scheduled-time>', 'incremental')\""
)


def _schedule(content: Content) -> Schedule | None:
    defined = content.defined if isinstance(content, EventbridgeContent) else None
    return defined if isinstance(defined, Schedule) else None


def _parsed(schedule: Schedule) -> Expression | None:
    try:
        return expression.parse(schedule.expression, schedule.timezone)
    except ExpressionError:
        return None


@on_files(
    Rule(
        code="ZS801",
        name="schedule-expression",
        severity=ERROR,
        problem="The schedule's expression or timezone is not what EventBridge Scheduler documents, or never fires.",
        redshift="EventBridge Scheduler takes rate(value unit), cron(minutes hours day-of-month month day-of-week year)"
        " with a ? in one of the two days, at(yyyy-mm-ddThh:mm:ss), and timezones of the IANA database.",
        source=f"{_SCHEDULER}schedule-types.html",
        mend="Mend the expression: the message names the field. `zeroshift schedule next` shows the next times.",
        bad=_GOOD.replace("cron(5 * * * ? *)", "cron(5 * * * * *)"),
        good=_GOOD,
    )
)
def schedule_expression(content: Content, catalog: Catalog) -> Places:
    schedule = _schedule(content)
    if schedule is None:
        return
    line = schedule.place.line("expression")
    try:
        found = expression.parse(schedule.expression, schedule.timezone)
    except ExpressionError as error:
        yield line, 1, str(error)
        return
    if schedule.start is not None and schedule.end is not None and schedule.end <= schedule.start:
        yield schedule.place.line("end"), 1, "the schedule ends before it starts: it never fires"
    elif found.once is None and schedule.end is not None:
        first = schedule.start or datetime(1970, 1, 1, tzinfo=UTC)
        next_ = found.next(first - timedelta(seconds=1), 1, first)
        if not next_ or next_[0] > schedule.end:
            yield schedule.place.line("end"), 1, "the schedule ends before its first time: it never fires"


@on_files(
    Rule(
        code="ZS802",
        name="schedule-statement",
        severity=ERROR,
        problem="The schedule's statement is not one CALL of a procedure of the project with arguments of its types:"
        " every invocation is accepted, and its statement fails. Or its `pipeline` is none: the limits that"
        " zeroshift.toml sets for the right one are then missing in silence.",
        redshift="ExecuteStatement takes one SQL statement, and a procedure is found by its name and the types of its"
        " arguments when the CALL runs.",
        source="r_CALL_procedure",
        mend="Call the pipeline's entry procedure with as many arguments as it declares; give NULL a type by a cast.",
        bad=_GOOD.replace(", 'incremental'", ""),
        good=_GOOD,
    )
)
def schedule_statement(content: Content, catalog: Catalog) -> Places:
    schedule = _schedule(content)
    if schedule is None or content.broken:
        return
    entry = f"ops.run_{schedule.pipeline}"
    if schedule.pipeline and entry not in catalog.procedures:
        # What `zeroshift run` calls for a pipeline, too.
        yield (
            schedule.place.line("pipeline"),
            1,
            f"the project has no pipeline {schedule.pipeline}: no procedure {entry}",
        )
    line = schedule.place.line("statement")
    if len(content.units) != 1 or not isinstance(content.units[0].tree, CallNode):
        if not (content.units and content.units[0].refused):
            yield line, 1, "the statement must be one CALL of a procedure"
        else:
            refused = content.units[0].refused
            assert refused is not None
            yield line, 1, f"the statement cannot be read: {refused.message}"
        return
    (unit,) = content.units
    assert isinstance(unit.tree, CallNode)
    name = ".".join(unit.tree.parts)
    if len(unit.tree.parts) < 2:
        yield line, 1, f"{name} needs its schema: the schedules' role has a search_path of its own"
        return
    problems = [_unfit(unit, procedure, catalog) for procedure in catalog.procedures.get(name, ())]
    if not problems:
        yield line, 1, f"the project has no procedure {name}"
    elif all(problems):
        yield line, 1, f"{name} does not take this: {problems[0]}"


def _unfit(unit: Unit, procedure: Procedure, catalog: Catalog) -> str:
    """Why a CALL does not mean this procedure; empty when it may."""
    declared = [argument for argument in procedure.created.arguments if argument.mode != "out"]
    assert isinstance(unit.tree, CallNode)
    if len(declared) != unit.tree.arguments:
        wanted = ", ".join(f"{argument.name} {argument.type_text}".strip() for argument in declared)
        return f"it has {unit.tree.arguments} arguments, not {len(declared)} ({wanted})"
    inside = unit.text[unit.text.index("(") + 1 : unit.text.rindex(")")]
    query = make_unit(unit.file, f"select {inside}", unit.locate, unit.where)
    body = query.tree.body if isinstance(query.tree, Query) else None
    if not declared or not isinstance(body, Select):
        return ""
    typer = Typer(query, catalog)
    for argument, item in zip(declared, body.items, strict=True):
        given = typer.type_of(item.expr, Scope([], {}))
        if isinstance(item.expr, Literal) and item.expr.kind in ("true", "false"):
            given = RedshiftType("boolean")
        wanted_type = type_from(argument.type_text)
        if given is not None and wanted_type is not None and distance(given, wanted_type) is None:
            return f"{argument.name} is {type_name(wanted_type)}, and {type_name(given)} does not become that by itself"
    return ""


@on_files(
    Rule(
        code="ZS803",
        name="schedule-input",
        severity=ERROR,
        problem="The call that the schedule sends is not one that the Data API's model takes: a name or a statement is"
        " too long, or a keyword is none that Scheduler has. Nobody checks Input when it is deployed: each call fails.",
        redshift="Input is the call's JSON; a statement has at most 100 KB. Scheduler replaces"
        " <aws.scheduler.schedule-arn>, scheduled-time, execution-id and attempt-number, and leaves anything else.",
        source=f"{_SCHEDULER}managing-schedule-context-attributes.html",
        mend="Shorten what the message names, or use one of the four keywords.",
        bad=_GOOD.replace("scheduled-time", "schedule-time"),
        good=_GOOD,
    )
)
def schedule_input(content: Content, catalog: Catalog) -> Places:
    schedule = _schedule(content)
    if schedule is None:
        return
    line = schedule.place.line("statement")
    for keyword in calls.unknown_keywords(schedule.statement):
        yield line, 1, f"Scheduler has no {keyword}: it would be sent as it stands"
    size = len(calls.with_time(schedule.statement).encode())
    if size > calls.MAX_STATEMENT:
        yield line, 1, f"the statement has {size} bytes; the Data API takes {calls.MAX_STATEMENT}"
    # The longest prefix that an environment may have, and both forms of the call.
    warehouse = calls.Warehouse("dev", workgroup="example")
    for settings in ((), ("set query_group to 'x'",)):
        made = calls.call(schedule, "p" * 48, warehouse, settings)
        given = json.loads(calls.with_time(made.input))
        for problem in _model_problems(made.operation, given):
            yield line, 1, problem
        token = given["ClientToken"]
        if len(token) > calls.MAX_TOKEN:
            yield (
                line,
                1,
                f"the ClientToken has {len(token)} characters; the Data API takes {calls.MAX_TOKEN}",
            )


@cache
def _model() -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("redshift-data")


def _model_problems(operation: str, given: dict[str, Any]) -> Iterator[str]:
    from botocore.validate import ParamValidator

    shape = _model().operation_model(operation).input_shape
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        yield f"{operation}: {report.generate_report()}"
    for key, value in given.items():
        longest = shape.members[key].metadata.get("max") if key in shape.members else None
        if longest is not None and isinstance(value, str) and len(value) > longest:
            yield f"{key} has {len(value)} characters; {operation} takes {longest}"


@on_files(
    Rule(
        code="ZS804",
        name="retry-outlives-token",
        severity=ERROR,
        problem="Scheduler may repeat the call, or the flexible window may put it off, for longer than the Data API"
        " remembers its ClientToken: a late repetition of a call that was accepted runs the statement again.",
        redshift="A ClientToken is remembered for eight hours; Scheduler's own default is to repeat for a day.",
        source="https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling-considerations.html",
        mend="Make retry_max_age (seconds) and window_minutes together less than eight hours.",
        bad=f"{_GOOD}\nretry_max_age = 86400",
        good=f"{_GOOD}\nretry_max_age = 3600",
    )
)
def retry_outlives_token(content: Content, catalog: Catalog) -> Places:
    schedule = _schedule(content)
    if schedule is None or not schedule.attempts:
        return
    longest = schedule.max_age + 60 * schedule.window
    if longest >= TOKEN_HOURS * 3600:
        line = max(schedule.place.line("retry_max_age"), schedule.place.line("window_minutes"))
        yield (
            line,
            1,
            f"calls may be repeated for {longest} s, and a ClientToken is remembered for {TOKEN_HOURS} hours",
        )


@on_files(
    Rule(
        code="ZS805",
        name="run-without-logical-time",
        severity=WARNING,
        problem="The statement gives a moment that is not the scheduled time, NULL for now included: a repetition, and"
        " a second delivery, are another run.",
        redshift="EventBridge Scheduler delivers at least once, and gives the scheduled time as"
        " <aws.scheduler.scheduled-time>, whenever it calls.",
        source=f"{_SCHEDULER}managing-schedule-context-attributes.html",
        mend="timestamp '<aws.scheduler.scheduled-time>' as the procedure's timestamp.",
        bad=_GOOD.replace("timestamp '<aws.scheduler.scheduled-time>'", "cast(null as timestamp)"),
        good=_GOOD,
    )
)
def run_without_logical_time(content: Content, catalog: Catalog) -> Places:
    schedule = _schedule(content)
    if schedule is None or SCHEDULED_TIME in schedule.statement:
        return
    for unit in content.units:
        if isinstance(unit.tree, CallNode):
            for procedure in catalog.procedures.get(".".join(unit.tree.parts), ()):
                kinds = [type_from(argument.type_text) for argument in procedure.created.arguments]
                if any(kind is not None and kind.name in ("timestamp", "timestamptz") for kind in kinds):
                    yield (
                        schedule.place.line("statement"),
                        1,
                        f"{procedure.name} takes a time, and not the scheduled one",
                    )
                    return


@on_files(
    Rule(
        code="ZS806",
        name="skipped-by-daylight-saving",
        severity=WARNING,
        problem="On the day that the clocks go forward, one of the schedule's times does not exist: that run is left"
        " out.",
        redshift="EventBridge Scheduler does not fire a cron time that the clock skips in spring, and fires one that it"
        " repeats in autumn once.",
        source=f"{_SCHEDULER}schedule-types.html",
        mend="Choose a time outside of the skipped hour, or UTC.",
        bad=_GOOD.replace("cron(5 * * * ? *)", "cron(30 2 * * ? *)") + '\ntimezone = "Europe/Berlin"',
        good=_GOOD.replace("cron(5 * * * ? *)", "cron(30 1 * * ? *)") + '\ntimezone = "Europe/Berlin"',
    )
)
def skipped_by_daylight_saving(content: Content, catalog: Catalog) -> Places:
    schedule = _schedule(content)
    found = _parsed(schedule) if schedule is not None else None
    # A schedule of every hour loses no hour: after 01:59 comes 03:00.
    if schedule is None or found is None or found.calendar is None or len(found.calendar.hours) == 24:
        return
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for day in (today + timedelta(days=number) for number in range(400)):
        if (
            day.replace(tzinfo=found.zone).utcoffset()
            == (day + timedelta(days=1)).replace(tzinfo=found.zone).utcoffset()
        ):
            continue
        for hour in found.calendar.hours if found.calendar.matches_day(day.date()) else ():
            for minute in found.calendar.minutes:
                local = day + timedelta(hours=hour, minutes=minute)
                back = local.replace(tzinfo=found.zone).astimezone(UTC).astimezone(found.zone)
                if back.replace(tzinfo=None) != local:
                    told = f"{local:%Y-%m-%d %H:%M} does not exist in {found.zone.key}: it is not fired"
                    yield schedule.place.line("expression"), 1, told
                    return
