"""What the benchmarks share: a fresh local warehouse, a clock, and counters of what PostgreSQL did."""
