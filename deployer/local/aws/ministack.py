"""ministack without its own firing of schedules, and with all of a schedule's properties from CloudFormation.

The local Scheduler fires them, and by other rules:
ministack 1.5.33 looks at its schedules every ten seconds. It knows no retries, no flexible windows and no target of the
Data API; but it deletes one-time schedules with ActionAfterCompletion, which ours could then miss. From a template it
takes neither timezone nor dates, and an update leaves the time of modification as it was.

And with AWS::RDS::Integration as a type of templates (integrations/cloudformation.py), while Aurora clusters are
records only: no container is started, Docker or not.
"""

from __future__ import annotations

import json
from typing import Any


def main() -> None:
    from ministack.app import main as run
    from ministack.services import rds, scheduler
    from ministack.services.cloudformation import provisioners

    from deployer.local.aws import aurora_records
    from deployer.local.aws.integrations import cloudformation

    scheduler.start_scheduler = _nothing
    rds._get_docker = _nothing
    aurora_records.install()
    cloudformation.install()
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    handlers["create"], handlers["update"] = _create, _update
    run()


def _create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    from ministack.services import scheduler
    from ministack.services.cloudformation import provisioners

    name = props.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
    return _answered(scheduler._create_schedule(name, props), name)


def _update(
    physical_id: str, before: dict[str, Any], props: dict[str, Any], stack: str
) -> tuple[str, dict[str, str]]:
    from ministack.services import scheduler

    same = all(props.get(key) == before.get(key) for key in ("Name", "GroupName"))
    if not same:
        return _create(physical_id, props, stack)
    return _answered(scheduler._update_schedule(physical_id, props), physical_id)


def _answered(answer: tuple[int, Any, Any], name: str) -> tuple[str, dict[str, str]]:
    told = json.loads(answer[2])
    if answer[0] >= 400:
        raise ValueError(f"AWS::Scheduler::Schedule {name}: {told.get('Message') or told.get('message')}")
    return name, {"Arn": told["ScheduleArn"]}


def _nothing() -> None:
    return


if __name__ == "__main__":
    main()
