"""Every error of the product, as one tree. The type decides what happens next, never the message.

InventoryMatchError
├── Transient                  trying again later may help: the photo goes back, the delivery is rescheduled
│   ├── ServiceUnavailable     S3, Postgres, Redis or the queue did not answer in time
│   ├── DecoderStopped         a photo was too much for the decoder, which was started again
│   │   ├── OutOfTime          it took longer than its limit
│   │   ├── OutOfMemory        it needed more memory than its limit
│   │   └── DecoderDied        a signal or a fault ended the decoder
│   └── EncoderPruned          the vectors a photo was to be compared with are gone: it is seen again
└── Permanent                  trying again gives the same answer
    ├── PhotoRejected          not an image, too large, too dark: the photo rests as `rejected`
    ├── PhotoSuperseded        the object was replaced or removed before it was read: rests as `superseded`
    ├── MessageUnreadable      a queue message no envelope fits: kept in `rejected_message`
    ├── InvalidInput           a file or an argument a person must mend: names file, line, key and cure
    ├── NotFound               an id or a sku that does not exist
    ├── Conflict               what was asked for contradicts what is (a closed reorder received again)
    ├── ConfigurationError     a setting, an encoder file, a migration level that cannot work
    └── AddressRefused         a webhook address the guard does not allow
"""

from __future__ import annotations


class InventoryMatchError(Exception):
    """Root of the tree; nothing else is raised on purpose."""


class Transient(InventoryMatchError):
    """Trying again later may help."""


class ServiceUnavailable(Transient):
    """A server did not answer, or answered that it is overloaded."""


class DecoderStopped(Transient):
    """A photo was too much for the decoder. It may have been the machine's load: it is tried again, a few times."""


class OutOfTime(DecoderStopped):
    """A photo took longer than its limit."""


class OutOfMemory(DecoderStopped):
    """A photo needed more memory than its limit."""


class DecoderDied(DecoderStopped):
    """The decoder ended in the middle of a photo."""


class EncoderPruned(Transient):
    """The encoder a photo was seen with has no vectors any more."""


class Permanent(InventoryMatchError):
    """Trying again gives the same answer."""


class PhotoRejected(Permanent):
    """The bytes are not a photo that can be judged; `str(error)` is the cause shown in SQL."""


class PhotoSuperseded(Permanent):
    """The object version this photo names is no longer there."""


class MessageUnreadable(Permanent):
    """A queue message that fits no known envelope."""


class InvalidInput(Permanent):
    """Something a person wrote must be mended.

    >>> str(InvalidInput("reorder point is missing", file="site.toml", line=7, key="policy.default", cure="add one"))
    'site.toml:7: policy.default: reorder point is missing (add one)'
    """

    def __init__(
        self, problem: str, *, file: str | None = None, line: int | None = None, key: str | None = None, cure: str = ""
    ) -> None:
        self.problem, self.file, self.line, self.key, self.cure = problem, file, line, key, cure
        where = f"{file}:{line}" if file and line else (file or (f"line {line}" if line else None))
        text = ": ".join(part for part in (where, key, problem) if part)
        super().__init__(f"{text} ({cure})" if cure else text)


class NotFound(Permanent):
    """An id, a code or a sku that does not exist."""


class Conflict(Permanent):
    """What was asked for contradicts what is."""


class ConfigurationError(Permanent):
    """A setting, an encoder file or a migration level with which nothing can work."""


class AddressRefused(Permanent):
    """A webhook address the guard does not allow."""


__all__ = [
    "AddressRefused",
    "ConfigurationError",
    "Conflict",
    "DecoderDied",
    "DecoderStopped",
    "EncoderPruned",
    "InvalidInput",
    "InventoryMatchError",
    "MessageUnreadable",
    "NotFound",
    "OutOfMemory",
    "OutOfTime",
    "Permanent",
    "PhotoRejected",
    "PhotoSuperseded",
    "ServiceUnavailable",
    "Transient",
]
