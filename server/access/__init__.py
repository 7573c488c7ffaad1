"""Which clients may connect: their addresses, their origins, and how many connections each may have."""
