"""Zeroshift: an Amazon Redshift warehouse as code."""

__version__ = "0.1.0"
