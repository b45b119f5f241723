"""From an alias to modules on a device: registry, pin, loading, where blocks and their sites are. Knows no prompt and no study."""
