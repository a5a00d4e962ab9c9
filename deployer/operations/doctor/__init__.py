"""`zeroshift doctor`: every prerequisite of an environment, read only, each with what mends it."""
