"""What a system prompt does to choices, and whether the probe's reading follows."""
