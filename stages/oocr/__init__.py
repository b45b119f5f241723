"""The out-of-context study: training sets whose rule is never said, and questions that ask for the rule."""
