"""Seeded pictures of packaged products and shelves, drawn with Pillow and numpy alone: for the demo, tests and training.

Reading order: `designs` (what a product looks like, as data), `motifs`, `backgrounds` and `artwork` (the flat print),
`packs` (a pack with shape and shading), `shopper` (somebody in the way), `camera` (perspective, light, noise), `shelf` (a
photo with its truth), `studio` (chance conditions), `catalog` (reference photos and catalog.csv), `dataset` (labelled
training views, a command).
"""
