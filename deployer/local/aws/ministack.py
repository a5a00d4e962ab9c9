"""ministack without its own firing of schedules: the local Scheduler fires them, and by other rules.

ministack 1.5.33 looks at its schedules every ten seconds. It knows no retries, no flexible windows and no target of the
Data API; but it deletes one-time schedules with ActionAfterCompletion, which ours could then miss.
"""

from __future__ import annotations


def main() -> None:
    from ministack.app import main as run
    from ministack.services import scheduler

    scheduler.start_scheduler = _nothing
    run()


def _nothing() -> None:
    return


if __name__ == "__main__":
    main()
