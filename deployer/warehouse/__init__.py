"""Talking to a warehouse: sessions, retries, the deployment ledger and its lease."""
