"""One look for all pictures, and the kinds of picture that several studies need."""
