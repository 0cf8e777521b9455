"""Pixels to regions and vectors: safe decode, detector, encoder, and the record that keeps weights with preprocessing.

Nothing heavy is imported here: torch comes in with `encoder` and `network` only.
"""
