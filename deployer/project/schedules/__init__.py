"""Schedules as files: what EventBridge Scheduler is to call, and when."""
