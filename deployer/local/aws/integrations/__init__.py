"""Zero-ETL integrations on the local AWS: the calls of RDS and Redshift that ministack lacks."""
