"""Real replication from MySQL, MariaDB or PostgreSQL into a landing database of the local warehouse."""
