"""EventBridge Scheduler, locally: fires the schedules that the local AWS stores."""
