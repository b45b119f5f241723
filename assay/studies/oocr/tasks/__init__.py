"""Training sets whose rule is never said, and the questions that ask for it, made from the world."""
