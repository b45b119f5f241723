"""Self-contained HTML pages: a template, its style and its script, put into one file that loads nothing else.

Every value is escaped by jinja2; the script's hash is in the page's content security policy, so no other script runs,
whatever a model or a text says.
"""
