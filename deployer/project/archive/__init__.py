"""Archive policies: procedures/archive/*.toml."""
