"""The resources of the stacks base and run, a module for each matter: functions of a Scope that return them."""
