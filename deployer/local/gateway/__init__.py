"""Redshift's wire protocol on loopback, in front of the embedded PostgreSQL."""
