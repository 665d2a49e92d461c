"""Which of two versions a conversation begins with. Pure.

A conversation's share of the range 0 to 100 is a hash of its id and of the version that is rolled out: the same
conversation always falls on the same side, whoever falls in at 10 % is still in at 30 %, and two rollouts pick
different conversations.
"""

from hashlib import blake2b
from uuid import UUID

_DIGEST_BYTES = 8
_WHOLE = 1 << (8 * _DIGEST_BYTES)


def place_of(conversation_id: UUID, version_id: UUID) -> float:
    """Where a conversation stands in [0, 100) for a version that is being rolled out."""
    digest = blake2b(conversation_id.bytes + version_id.bytes, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest) * 100 / _WHOLE


def is_chosen(conversation_id: UUID, version_id: UUID, *, percent: int) -> bool:
    """Whether a conversation meets the version that `percent` of 100 conversations get."""
    return place_of(conversation_id, version_id) < percent
