"""A set on disk: its files, its plan, its runs, and reading it."""
