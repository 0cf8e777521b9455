"""S3 and SQS over HTTP on loopback: moto's server as a child process, made to keep its objects.

`python -m inventory_match.embedded.objects --port P --data DIR` restores what DIR holds, makes the bucket, the queue
and the notification from one to the other, and only then listens: an answer means ready. A restored object sends no
notification (a restart uploads nothing). Messages in the queue are not kept; after a restart a scan of the bucket
finds what they announced.

Differences from AWS, measured with moto 5.2: notifications carry no version id and no sequencer, a delete marker
sends none, a completed multipart upload sends two, and a key with a line break is refused. A full disk answers 503,
which clients try again.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from contextlib import closing
from html import escape
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from inventory_match.embedded.child import Child
from inventory_match.embedded.loopback import HOST
from inventory_match.embedded.server import NotYet, Server
from inventory_match.embedded.warden import Warden

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from inventory_match.embedded.moto_state import Keeper

ACCOUNT = "123456789012"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_UNREADABLE = "unreadable.txt"
# Buckets are always in the path, whatever the host is called; and no web page may speak to the stand-in.
_MOTO = {"S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true", "MOTO_DISABLE_GLOBAL_CORS": "true"}


class Objects(Server):
    """The child process as its parent sees it."""

    name = "objects"

    def __init__(self, directory: Path, port: int, *, bucket: str, queue: str, region: str) -> None:
        super().__init__(directory, port)
        self.bucket, self.queue, self.region = bucket, queue, region

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def queue_url(self) -> str:
        return f"{self.endpoint}/{ACCOUNT}/{self.queue}"

    def unreadable(self) -> list[str]:
        """What the last start could not restore, one sentence a file."""
        report = self.directory / "objects" / _UNREADABLE
        return report.read_text(encoding="utf-8").splitlines() if report.exists() else []

    def launch(self, warden: Warden) -> Child:
        options = {"port": self.port, "data": self.directory, "bucket": self.bucket, "queue": self.queue}
        options["region"] = self.region
        source = str(Path(__file__).resolve().parents[2])  # also when the package is run from a checkout
        path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        with self.log.open("wb") as log:
            return Child(
                self.name,
                [sys.executable, "-m", "inventory_match.embedded.objects"]
                + [f"--{name}={value}" for name, value in options.items()],
                warden=warden,
                output=log,
                environment={**os.environ, **_MOTO, "PYTHONPATH": path},
            )

    def probe(self) -> None:
        with closing(HTTPConnection(HOST, self.port, timeout=5)) as connection:
            try:
                connection.request("HEAD", f"/{quote(self.bucket)}")
                status = connection.getresponse().status
            except (OSError, HTTPException) as error:
                raise NotYet(str(error)) from error
        if status != 200:
            raise NotYet(f"HTTP {status}")


class Durable:
    """WSGI middleware: an answer to a change goes out when the change is on the disk."""

    def __init__(self, app: WSGIApplication, keeper: Keeper) -> None:
        self._app, self._keeper = app, keeper

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        from werkzeug.exceptions import NotFound
        from werkzeug.wrappers import Response

        if environ["PATH_INFO"].startswith("/moto-api"):  # resets, seeds and recordings: nothing AWS has
            return NotFound()(environ, start_response)
        if environ["REQUEST_METHOD"] in _READS:
            return self._app(environ, start_response)
        answer = Response.from_app(self._app, environ, buffered=True)
        try:
            self._keeper.flush()
        except OSError as error:
            logging.getLogger(__name__).exception("could not store the object")
            cause = escape(f"could not store it: {error}")
            text = f"<Error><Code>ServiceUnavailable</Code><Message>{cause}</Message></Error>"
            answer = Response(text, status=503, content_type="application/xml")
        return answer(environ, start_response)


def _connect(keeper: Keeper, bucket: str, queue: str, region: str) -> None:
    """The bucket, the queue, and everything that happens in the one announced in the other."""
    from moto.s3.models import s3_backends
    from moto.sqs.models import sqs_backends

    s3 = s3_backends[ACCOUNT]["aws"]
    if bucket not in s3.buckets:
        s3.create_bucket(bucket, region)
    sqs_backends[ACCOUNT][region].create_queue(queue)
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    arn = f"arn:aws:sqs:{region}:{ACCOUNT}:{queue}"
    s3.put_bucket_notification_configuration(bucket, {"QueueConfiguration": [{"Queue": arn, "Event": events}]})
    keeper.flush()


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--bucket", default="shelf-photos", show_default=True)
@click.option("--queue", default="photo-events", show_default=True)
@click.option("--region", default="us-east-1", show_default=True)
def serve(port: int, data: Path, bucket: str, queue: str, region: str) -> None:
    """Serve S3 and SQS on 127.0.0.1 with the objects kept under DATA/objects."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import make_server

    from inventory_match.embedded.moto_state import Keeper
    from inventory_match.embedded.object_files import ObjectFiles

    class QuietHandler(MotoRequestHandler):
        disable_nagle_algorithm = True  # head and body go out in two writes, and would wait for each other

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """A line for every poll of the queue would fill the disk; errors are still logged."""

    files = ObjectFiles(data / "objects")
    keeper = Keeper(files, s3_backends[ACCOUNT]["aws"])
    complaints = keeper.restore()
    (files.root / _UNREADABLE).write_text("".join(f"{each}\n" for each in complaints), encoding="utf-8")
    _connect(keeper, bucket, queue, region)
    app = Durable(DomainDispatcherApplication(create_backend_app), keeper)
    make_server(HOST, port, app, threaded=True, request_handler=QuietHandler).serve_forever()


if __name__ == "__main__":
    serve()
