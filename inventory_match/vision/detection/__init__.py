"""Finding products in a photo: the shape of a detector, its file, and what runs it."""
