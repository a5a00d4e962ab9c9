"""The click commands: parse, call one operation, print. The only code that prints or exits."""
