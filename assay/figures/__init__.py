"""One look for all pictures: colours and fonts, panels, bars with intervals, lines with bands, points, and a picture saved with its table.

Knows nothing of any study: a study hands over tidy tables and says what the axes are called.
"""
