"""Several servers over one database: one of them owns all rooms, the others are its edges."""
