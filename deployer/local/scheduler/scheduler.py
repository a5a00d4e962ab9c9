"""The local EventBridge Scheduler: plans what comes due, calls the targets, repeats, gives up.

Sources: EventBridge Scheduler User Guide, "Schedule types", "Managing a schedule" and its pages on flexible windows,
states and deletion after completion; API reference, CreateSchedule, RetryPolicy. What they leave open is settled here:

- Every error that the target answers is repeated; Input or a target that nobody could call is not.
- The event's age counts from when the call was due, the flexible window included.
- What came due while no scheduler ran is fired when one runs again, if it is not too old for the schedule's policy;
  else it goes to the dead-letter queue like everything too old. Of what is older than a day (the greatest age that AWS
  lets anything have) only the count is told. What was due before the first start on this machine does not count.
- When the timing of a schedule is changed, only the new timing counts from that moment on.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import SystemRandom

from deployer.local.events.clock import Clock
from deployer.local.events.retry import BY_AGE, BY_ATTEMPTS, MAX_AGE, back_off
from deployer.local.scheduler import store as states
from deployer.local.scheduler.dead_letter import DeadLetters
from deployer.local.scheduler.schedules import Parse, Schedule, Source, Times
from deployer.local.scheduler.store import Invocation, Mark, Store
from deployer.local.scheduler.target import Target, TargetError, replace_keywords

log = logging.getLogger("zeroshift.scheduler")

OLDEST = timedelta(seconds=MAX_AGE)
HISTORY = timedelta(days=90)
_TICK = timedelta(microseconds=1)
_RANDOM = SystemRandom()
_SELF = "zeroshift"
"""The mark that says when a scheduler ran here first; no ARN looks like it."""


class Scheduler:
    """An actor: `step` does what is due. `parse` reads expressions, `random` (0 to 1) chooses in flexible windows."""

    def __init__(
        self,
        clock: Clock,
        source: Source,
        store: Store,
        target: Target,
        dead_letters: DeadLetters,
        parse: Parse,
        random: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._clock, self._source, self._store = clock, source, store
        self._target, self._dead_letters = target, dead_letters
        self._parse, self._random = parse, random
        self._parsed: dict[tuple[str, str], Times | None] = {}
        self._expired = datetime.min.replace(tzinfo=UTC)

    def step(self) -> datetime | None:
        """Plan and call what is due now. When the next thing is due, as far as is known."""
        now = self._clock.now()
        schedules = self._source.all()
        self._store.forget([_SELF, *(schedule.arn for schedule in schedules)], now)
        began = self._first_start(now)
        coming = [self._plan(schedule, now, began) for schedule in schedules]
        while due := self._store.due(now):
            for invocation in due:
                self._attempt(invocation)
        for schedule, following in zip(schedules, coming, strict=True):
            self._complete(schedule, following)
        if now - self._expired > timedelta(hours=1):
            self._expired = now
            self._store.expire(now - HISTORY)
        return min((moment for moment in [*coming, self._store.next()] if moment is not None), default=None)

    # -- planning ---------------------------------------------------------------------------------------------

    def _plan(self, schedule: Schedule, now: datetime, began: datetime) -> datetime | None:
        """Make invocations of what has come due since the last time. When the next one comes due.

        A schedule that was never seen counts from its making on, but not from before this scheduler's first start.
        """
        mark = self._store.mark(schedule.arn)
        # A driven clock may stand before the moment at which the schedule was really made.
        seen = mark.seen if mark else min(schedule.created, now)
        if mark is None:
            mark = Mark(schedule.timing, max(seen, began) - _TICK, seen)
        elif mark.timing != schedule.timing:
            mark = replace(
                mark, timing=schedule.timing, planned=max(mark.planned, min(schedule.modified, now) - _TICK)
            )
        times = self._times(schedule) if schedule.enabled else None
        if times is None:
            self._store.plan(schedule.arn, replace(mark, planned=now))
            return None
        after = max(mark.planned, now - OLDEST - _TICK)
        if after > mark.planned:
            self._tell_missed(schedule, times, mark, after)
        found, following = [], None
        for moment in times.times(after, schedule.first() or seen):
            if (last := schedule.last()) is not None and moment > last:
                break
            if moment > now:
                following = moment
                break
            found.append(self._invocation(schedule, moment))
        # A clock that was set back plans nothing twice.
        self._store.plan(schedule.arn, replace(mark, planned=max(mark.planned, now)), found)
        return following

    def _first_start(self, now: datetime) -> datetime:
        """When a scheduler ran here first, which is noted now when none did."""
        began = self._store.mark(_SELF)
        if began is None:
            began = Mark("", now, now)
            self._store.plan(_SELF, began)
        return began.seen

    def _times(self, schedule: Schedule) -> Times | None:
        """The parsed expression; None, said once, for one that AWS would have refused."""
        key = schedule.expression, schedule.timezone
        if key not in self._parsed:
            try:
                self._parsed[key] = self._parse(*key)
            except ValueError as error:
                log.error("schedule %s/%s does not fire: %s", schedule.group, schedule.name, error)
                self._parsed[key] = None
        return self._parsed[key]

    def _tell_missed(self, schedule: Schedule, times: Times, mark: Mark, after: datetime) -> None:
        missed = 0
        for moment in times.times(mark.planned, schedule.first() or mark.seen):
            if moment > after or (schedule.last() is not None and moment > (schedule.last() or moment)):
                break
            missed += 1
        if missed:
            log.warning(
                "schedule %s/%s: %s invocations came due more than a day ago, while no scheduler ran, and are not made",
                schedule.group, schedule.name, missed,
            )  # fmt: skip

    def _invocation(self, schedule: Schedule, moment: datetime) -> Invocation:
        due = moment + timedelta(minutes=schedule.window) * self._random()
        return Invocation(
            arn=schedule.arn, group=schedule.group, name=schedule.name, scheduled=moment, due=due, next=due,
            target=schedule.target, input=schedule.input, role=schedule.role, max_age=schedule.max_age,
            max_attempts=schedule.max_attempts, dead_letter=schedule.dead_letter,
        )  # fmt: skip

    def _complete(self, schedule: Schedule, following: datetime | None) -> None:
        """ActionAfterCompletion: delete a schedule that has had its last invocation."""
        mark = self._store.mark(schedule.arn)
        if not schedule.delete_after or not schedule.enabled or following is not None or mark is None:
            return
        if self._times(schedule) is None or self._store.pending(schedule.arn):
            return
        log.info("schedule %s/%s is complete and is deleted", schedule.group, schedule.name)
        self._source.delete(schedule)

    # -- calling ----------------------------------------------------------------------------------------------

    def fire(self, schedule: Schedule, scheduled: datetime) -> Invocation:
        """Plan an invocation by hand, due now, for the logical time `scheduled`, at the end of all that wait."""
        now = self._clock.now()
        made = replace(self._invocation(schedule, scheduled), due=now, next=now, manual=True)
        return self._store.add(made)

    def call_alone(self, number: int) -> Invocation:
        """Make the call of what `fire` has planned here, once, when no scheduler runs: only the holder of the lock may.

        One that a scheduler has called in between is left alone.
        """
        made = self._store.invocation(number)
        if made.state == states.PENDING and made.attempts == 0:
            self._attempt(made)
            made = self._store.invocation(number)
        if made.state == states.PENDING:
            message = f"{made.message}; not repeated, since no scheduler runs"
            made = replace(made, state=states.CANCELLED, next=None, ended=self._clock.now(), message=message)
            self._store.end(made)
        return made

    def _attempt(self, invocation: Invocation) -> None:
        now = self._clock.now()
        if now > invocation.due + timedelta(seconds=invocation.max_age):
            if invocation.attempts == 0:
                message = "it was due while no scheduler ran, and is too old now"
                invocation = replace(invocation, code="SchedulerNotRunning", message=message)
            self._give_up(invocation, _execution(), BY_AGE)
            return
        execution = _execution()
        invocation = self._store.begin(invocation, execution, now)
        text = _text(invocation, execution)
        try:
            result = self._call(invocation, text)
        except TargetError as error:
            invocation = replace(invocation, code=error.code, message=error.message)
            log.warning(
                "schedule %s/%s, attempt %s: %s: %s",
                invocation.group, invocation.name, invocation.attempts, error.code, error.message,
            )  # fmt: skip
            self._again(invocation, execution, error.permanent)
        else:
            self._store.end(
                replace(
                    invocation,
                    state=states.DELIVERED,
                    next=None,
                    result=result,
                    ended=self._clock.now(),
                    code=None,
                    message=None,
                )  # fmt: skip
            )

    def _call(self, invocation: Invocation, text: str) -> str:
        try:
            return self._target.invoke(invocation, text)
        except TargetError:
            raise
        except Exception as error:
            # Whatever it is, it counts as an attempt that failed, and the other schedules go on.
            log.exception("schedule %s/%s: the call went wrong", invocation.group, invocation.name)
            raise TargetError(type(error).__name__, str(error)) from None

    def _again(self, invocation: Invocation, execution: str, permanent: bool) -> None:
        """Plan the next attempt, or give up."""
        following = self._clock.now() + back_off(invocation.attempts)
        if permanent:
            self._give_up(invocation, execution, None)
        elif invocation.attempts > invocation.max_attempts:
            self._give_up(invocation, execution, BY_ATTEMPTS)
        elif following > invocation.due + timedelta(seconds=invocation.max_age):
            self._give_up(invocation, execution, BY_AGE)
        else:
            self._store.end(replace(invocation, next=following))

    def _give_up(self, invocation: Invocation, execution: str, condition: str | None) -> None:
        state, message = states.DROPPED, invocation.message
        if invocation.dead_letter is not None:
            try:
                self._dead_letters.send(invocation, _text(invocation, execution), execution, condition)
                state = states.DEAD
            except Exception as error:
                log.exception("%s: the dead-letter queue did not take it", invocation.name)
                message = f"{message}; the dead-letter queue did not take it: {type(error).__name__}"
        self._store.end(replace(invocation, state=state, next=None, ended=self._clock.now(), message=message))


def _execution() -> str:
    """An execution id, of the length that the guide shows."""
    return secrets.token_hex(8)


def _text(invocation: Invocation, execution: str) -> str:
    return replace_keywords(
        invocation.input,
        {
            "schedule-arn": invocation.arn,
            "scheduled-time": f"{invocation.scheduled:%Y-%m-%dT%H:%M:%SZ}",
            "execution-id": execution,
            "attempt-number": str(max(invocation.attempts, 1)),
        },
    )
