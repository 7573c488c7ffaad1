"""Writing to storage: jobs, and the workers that batch them."""
