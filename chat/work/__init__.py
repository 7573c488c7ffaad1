"""Work in the rooms for accounts, in the background."""
