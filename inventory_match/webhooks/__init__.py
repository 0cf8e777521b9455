"""Telling other systems: Standard Webhooks, signed, over a connection that cannot be turned against our own network.

Reading order: `signing` (pure: secrets, signatures, when to try again), `addresses` (pure: which hosts may be called),
`sender` (one POST, bounded in every direction), `receiver` (a small local receiver for `webhooks listen`, demo and tests).
"""
