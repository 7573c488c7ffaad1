"""Writing to storage: jobs, and the workers that store them in batches."""
