"""Source data for the demo: a seeded marketplace, or real listings."""
