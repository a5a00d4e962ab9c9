"""The rental metrics in plain Python, from spec/rental_metrics.md alone, and the tests that use them."""
