"""Derived environments: what of a project must stand beside the base environment, and how its SQL is rewritten."""
