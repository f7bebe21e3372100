"""The explorer: a page on which photographs become responses, and responses photographs.

`Explorer` is what the page asks for everything and needs no web framework; the page itself needs the extra ``app``.
"""
