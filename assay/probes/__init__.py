"""Probes: fit them, choose a layer, judge and save them. Knows features and targets, not where they come from."""
