"""What PostgreSQL has and Redshift has not, by the word that begins it: objects that CREATE, ALTER and DROP are about,
and whole commands.

Source: Redshift Database Developer Guide, c_unsupported-postgresql-features and the pages of the commands.
"""

from __future__ import annotations

DEFINITIONS = {
    "index": "indexes are not supported on Redshift; choose a SORTKEY and a DISTKEY",
    "unique": "unique indexes are not supported on Redshift; UNIQUE is informational in CREATE TABLE",
    "trigger": "triggers are not supported on Redshift; call a stored procedure",
    "constraint": "constraint triggers are not supported on Redshift; call a stored procedure",
    "sequence": "sequences are not supported on Redshift; use an IDENTITY(seed, step) column",
    "domain": "domains are not supported on Redshift; use the type itself",
    "type": "user-defined types are not supported on Redshift; use separate columns or SUPER",
    "tablespace": "tablespaces are not supported on Redshift",
    "extension": "extensions are not supported on Redshift",
    "rule": "rules are not supported on Redshift; use a view",
    "collation": "collations are not supported on Redshift; use the COLLATE function",
    "conversion": "conversions are not supported on Redshift",
    "operator": "user-defined operators are not supported on Redshift",
    "aggregate": "user-defined aggregates are not supported on Redshift",
    "cast": "user-defined casts are not supported on Redshift; use CAST",
    "text": "full text search is not supported on Redshift",
    "foreign": "foreign data wrappers (SQL/MED) are not supported on Redshift; use CREATE EXTERNAL SCHEMA",
    "server": "foreign data wrappers (SQL/MED) are not supported on Redshift; use CREATE EXTERNAL SCHEMA",
    "policy": "row security policies are made by CREATE RLS POLICY on Redshift",
    "publication": "logical replication is not supported on Redshift",
    "subscription": "logical replication is not supported on Redshift",
    "statistics": "extended statistics are not supported on Redshift; use ANALYZE",
    "event": "event triggers are not supported on Redshift",
    "language": "procedural languages cannot be created on Redshift",
    "recursive": "CREATE RECURSIVE VIEW is not supported on Redshift; use WITH RECURSIVE in the view",
    "access": "access methods are not supported on Redshift",
}
"""The second word of CREATE, ALTER or DROP -> what to do instead."""

COMMANDS = {
    "savepoint": "SAVEPOINT is not supported on Redshift; a transaction is committed or rolled back whole",
    "release": "RELEASE SAVEPOINT is not supported on Redshift",
    "listen": "LISTEN is not supported on Redshift",
    "notify": "NOTIFY is not supported on Redshift",
    "unlisten": "UNLISTEN is not supported on Redshift",
    "do": "DO is not supported on Redshift; create and CALL a procedure",
    "discard": "DISCARD is not supported on Redshift; close the session",
    "checkpoint": "CHECKPOINT is not supported on Redshift",
    "reindex": "REINDEX is not supported on Redshift; use VACUUM REINDEX",
    "cluster": "CLUSTER is not supported on Redshift; use a SORTKEY and VACUUM",
    "load": "LOAD is not supported on Redshift",
    "move": "MOVE is not supported on Redshift; use FETCH FORWARD",
    "reassign": "REASSIGN OWNED is not supported on Redshift; use ALTER TABLE ... OWNER TO",
    "security": "SECURITY LABEL is not supported on Redshift",
    "import": "IMPORT FOREIGN SCHEMA is not supported on Redshift; use CREATE EXTERNAL SCHEMA",
}
"""The first word of a command -> the whole refusal."""
