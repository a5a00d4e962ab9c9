"""The local AWS: ministack behind one loopback endpoint, and the services of Redshift that it lacks."""
