"""The S3 side: what the bucket says happened, what it holds, and the queue that carries the news.

Reading order: `names` (how one object version is named, by events and scans alike), `events` (notification JSON to photos,
pure), `store` (fetch, put, delete, list), `queue` (SQS), `failures` (every AWS error as Transient or Permanent), `clients`
(how boto3 is set up).
"""
