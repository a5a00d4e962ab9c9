"""UNLOAD and COPY of the local Redshift: files in S3, whoever serves it."""
