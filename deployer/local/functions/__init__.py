"""The whitelist of Redshift's functions: what each becomes on PostgreSQL, and the type that it gives."""
