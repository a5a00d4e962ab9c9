"""The rental pipeline's SQL: small sources, and rows worked out by hand from the spec."""
