"""The event bus of the local AWS, and the clock that it and the scheduler go by."""
