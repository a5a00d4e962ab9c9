"""The local Redshift: an embedded PostgreSQL that answers as Redshift documents, or refuses loudly."""
