"""Memory that outlives a connection: the ports, their adapters, and the function that chooses between them."""
