"""How long a migration waits, and so lets others wait: whoever needs a table stands in line behind the change of it."""

# app/migrate.py tries again what a reader or writer has been in the way of.
BRIEFLY = ("SET lock_timeout = '1s'", "SET statement_timeout = '60s'")

# For what makes nobody wait.
PATIENTLY = ("SET lock_timeout = 0", "SET statement_timeout = 0")
