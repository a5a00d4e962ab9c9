"""Real replication from MySQL or MariaDB into a landing database of the local warehouse."""
