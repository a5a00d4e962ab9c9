"""PostgreSQL as a source of replication: logical decoding with its own plugin pgoutput."""
