"""The one-machine default: real Postgres with pgvector, real Redis, and S3 + SQS over HTTP, all on loopback.

Start reading at `machine` (the three servers as one thing) and `supervisor` (our own processes in one terminal).
Below them: `server` and `child` (what any of these has in common), `warden` (nothing outlives us), `postgres`,
`redis`, `objects` (with `moto_state` and `object_files`, which make the S3 stand-in keep what it was given),
`directory`, `loopback`.
"""
