"""How a running process answers those who watch it: `/healthz`, `/readyz` and `/metrics` over HTTP, on a thread of its own."""
