"""One folder a study: its own matter, built from the rooms below. No study knows another."""
