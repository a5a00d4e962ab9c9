"""Stored procedures, interpreted with Redshift's transaction rules."""
