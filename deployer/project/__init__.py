"""Reading the repository: configuration, SQL files as objects, headers, checksums, order."""
