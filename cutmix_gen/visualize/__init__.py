"""Pictures of samples, and the page on a set."""
