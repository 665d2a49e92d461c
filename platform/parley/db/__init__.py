"""What every table shares: identifiers, money, threads, and how the database is made."""

from parley.db.fields import MoneyField
from parley.db.ids import uuid7
from parley.db.threads import in_thread

__all__ = ["MoneyField", "in_thread", "uuid7"]
