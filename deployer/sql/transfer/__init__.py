"""UNLOAD and COPY, read out of their text."""
