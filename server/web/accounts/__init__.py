"""Accounts over HTTP: rows that each server answers by itself."""
