"""How fast what serves is, here: `embedding` (runtimes beside each other) and `search` (indexes beside exact search).

Everything is measured in alternating rounds on the same inputs, so that a busy machine slows all candidates alike: ratios
can be trusted where seconds can not. Nothing here judges; `host` says what machine the figures belong to.
"""
