"""The Redshift Data API on loopback HTTP, in front of the gateway."""
