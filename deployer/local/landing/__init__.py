"""Landing databases: what zero-ETL would have replicated, from CSV snapshots."""
