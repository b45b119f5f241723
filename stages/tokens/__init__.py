"""The token study: can a layer tell whether the next token, or this one, is the target?"""
