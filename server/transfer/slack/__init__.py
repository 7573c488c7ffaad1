"""Read the export of a Slack workspace as records of Parley. docs/export.md says what becomes of what."""
