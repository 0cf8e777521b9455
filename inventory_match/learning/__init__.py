"""Training and measuring encoders. Serving never imports this room."""
