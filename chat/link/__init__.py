"""What two nodes of a cluster exchange: operations in order, each exactly once, over a bus that may lose anything."""
