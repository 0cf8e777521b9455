"""inventory-match: photos in S3 become matches, stock counts, reorders and signed webhooks.

Reading order, one file a step: `pipeline` (see, settle: the whole product on one page), `intake` (queue message to
registered photo), `delivery` (outbox to signed POST). Around them:

    domain      pure rules: decide, count, levels, reorders          ports       what the pipeline needs of the world
    db          Postgres: models, the nearest-neighbour query        settings    the only reader of the environment
    s3          events, objects, queue                               bootstrap   the only place that builds adapters
    vision      decode, detect, embed                                webhooks    sign and send
    learning    train, evaluate (serving never imports it)           embedded    the one-machine servers
    rendering   rendered shops                                       demo, cli   what people run
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
