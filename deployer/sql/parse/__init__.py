"""Redshift queries and row changes as trees: the parser that translator, lint and lineage share."""
