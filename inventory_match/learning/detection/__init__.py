"""Teaching a product detector: rendered and real photos with boxes, the loss that forgives what nobody labelled, the course."""
