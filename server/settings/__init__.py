"""Settings: the table, where they come from, and how their text becomes a value."""
