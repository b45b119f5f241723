"""The token study's instruments: windows of text, labelled positions, the n-gram control and the page."""
