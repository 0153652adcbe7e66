"""From a configuration to committed shards."""
