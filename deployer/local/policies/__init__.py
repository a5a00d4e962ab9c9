"""Row-level security and dynamic data masking of the local Redshift."""
