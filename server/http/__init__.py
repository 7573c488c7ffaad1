"""What HTTP endpoints are made of: rows of a table, bodies, and bounded answers."""
