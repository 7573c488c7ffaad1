"""What operators do at the command line: ``user``, ``session``, ``key``, ``block``, ``audit``.

Each noun is a module with ``add``, which adds its parser. A command runs on connections of its own to the database, and
running servers follow what it has changed within a second.
"""
