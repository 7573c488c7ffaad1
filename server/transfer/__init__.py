"""The formats that an installation is exported to and imported from."""
