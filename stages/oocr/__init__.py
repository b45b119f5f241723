"""The stages of the out-of-context study."""
