"""Redshift SQL text to PostgreSQL SQL text: strict, typed, never silently different."""
