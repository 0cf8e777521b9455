"""SQLAlchemy models: rows without behaviour, one module a concern. The migrations are the truth; a test compares both."""

from .base import SCHEMA, Base
from .catalog import Encoder, EncoderBuild, EncoderFailure, Product, ReferenceEmbedding, ReferencePhoto
from .operations import Chore
from .photos import ObjectRemoval, Photo, RejectedMessage, ShelfFacing, Sighting
from .planograms import Planogram, PlanogramSlot, ShelfVerdict
from .review import ReviewAnswer
from .site import Assortment, Camera, CameraView, Location, Place, PolicyRule, RegionOwner, Store
from .stock import Reorder, StockEvent, StockLevel, StockWatch
from .webhooks import Delivery, DeliveryAttempt, Message, WebhookEndpoint, WebhookSecret

__all__ = [
    "SCHEMA",
    "Assortment",
    "Base",
    "Camera",
    "CameraView",
    "Chore",
    "Delivery",
    "DeliveryAttempt",
    "Encoder",
    "EncoderBuild",
    "EncoderFailure",
    "Location",
    "Message",
    "ObjectRemoval",
    "Photo",
    "Place",
    "Planogram",
    "PlanogramSlot",
    "PolicyRule",
    "Product",
    "ReferenceEmbedding",
    "ReferencePhoto",
    "RegionOwner",
    "RejectedMessage",
    "Reorder",
    "ReviewAnswer",
    "ShelfFacing",
    "ShelfVerdict",
    "Sighting",
    "StockEvent",
    "StockLevel",
    "StockWatch",
    "Store",
    "WebhookEndpoint",
    "WebhookSecret",
]
