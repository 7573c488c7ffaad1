"""Accounts made here: registering, signing in, passwords, mail, export and deletion."""
