"""Step Functions, locally: the part of the Amazon States Language that the alert path is written in."""
