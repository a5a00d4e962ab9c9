"""Pure functions on Redshift SQL text: no I/O, everybody's ground."""
