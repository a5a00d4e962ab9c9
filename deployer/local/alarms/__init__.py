"""CloudWatch's alarms on the metrics that the local Scheduler, state machines and queues make."""
