"""A MariaDB on this machine as the source: the server, and the marketplace that is written to it."""
