"""Rules about the SQL of a project, procedure bodies and migrations included. Needs files only, no warehouse."""
