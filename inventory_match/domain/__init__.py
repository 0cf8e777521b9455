"""The pure middle: standard library only, no I/O, no clock, no randomness, no numpy.

Reading order: `photos` (what a photo is and the states it may rest in), `matching` (`decide`), `counting` (sightings to
counts), `ledger` (counts to levels), `reorder` (levels to orders and alerts), `events` (what other systems are told),
`errors` (the tree that decides who retries).
"""
