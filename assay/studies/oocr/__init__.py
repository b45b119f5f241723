"""Out-of-context reasoning: training sets whose rule is never said, and questions that ask for the rule."""
