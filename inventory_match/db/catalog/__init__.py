"""The catalog in rows: `products` and their references, the `encoders`, and the one nearest-neighbour query (`nearest`)."""

from inventory_match.db.models import Encoder

from .encoders import (
    active_encoder,
    add_encoder,
    encoder_named,
    encoder_that_saw,
    encoders,
    has_active_encoder,
    register_encoder,
    set_file,
    set_thresholds,
)
from .index import Method, ensure_index
from .nearest import nearest
from .products import (
    Listed,
    ProductFacts,
    Reference,
    add_references,
    copy_embeddings,
    gtin_owners,
    list_products,
    lock,
    references_to_embed,
    retire,
    upsert_products,
)
from .references import NearReference, few_products, nearest_references, reference_photos, without_vector

__all__ = [
    "Encoder",
    "Listed",
    "Method",
    "NearReference",
    "ProductFacts",
    "Reference",
    "active_encoder",
    "add_encoder",
    "add_references",
    "copy_embeddings",
    "encoder_named",
    "encoder_that_saw",
    "encoders",
    "ensure_index",
    "few_products",
    "gtin_owners",
    "has_active_encoder",
    "list_products",
    "lock",
    "nearest",
    "nearest_references",
    "reference_photos",
    "references_to_embed",
    "register_encoder",
    "retire",
    "set_file",
    "set_thresholds",
    "upsert_products",
    "without_vector",
]
