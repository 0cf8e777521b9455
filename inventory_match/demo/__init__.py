"""The demonstration: one day of a small shop, seen by two shelf cameras, with its truth known beforehand.

Reading order: `day` (the script and its truth, pure data), `pictures` (the photos of that day), `site_text` (its
site.toml).
"""
