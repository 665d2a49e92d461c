"""The closed sets of words that the gateway stores."""

from django.db.models import TextChoices


class ProviderKind(TextChoices):
    """How a provider is spoken to."""

    OPENAI = "openai", "OpenAI-compatible server"
    LITELLM = "litellm", "Another provider (through LiteLLM)"
    LOCAL = "local", "Built in"
    EXTRACTIVE = "extractive", "Built in, quotes the sources"


class ModelKind(TextChoices):
    """What a model does."""

    CHAT = "chat", "Chat"
    EMBED = "embed", "Embedding"
    RERANK = "rerank", "Reranking"


class Purpose(TextChoices):
    """What a call is for, as the ledger shows it."""

    CHAT = "chat", "Answering"
    EMBED = "embed", "Search"
    JUDGE = "judge", "Judging"
    EVALUATION = "evaluation", "Evaluation"
    RERANK = "rerank", "Reranking"
    REWRITE = "rewrite", "Rewriting questions"


class RoutePurpose(TextChoices):
    """What there is a route for. Evaluations answer on the route of chat."""

    CHAT = "chat", "Answering"
    EMBED = "embed", "Search"
    JUDGE = "judge", "Judging"


class HoldState(TextChoices):
    """Where a reservation stands. Only `held` ones count against the budget."""

    HELD = "held", "Held"
    SETTLED = "settled", "Settled"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class EntryKind(TextChoices):
    """A ledger line is the charge of a call, or the later correction of an estimated charge."""

    CHARGE = "charge", "Charge"
    CORRECTION = "correction", "Correction"


class Confidence(TextChoices):
    """Whether the provider reported the tokens, Parley counted them, or nobody knows and the most was charged."""

    EXACT = "exact", "Reported by the provider"
    ESTIMATED = "estimated", "Counted by Parley"
    UNKNOWN = "unknown", "Not known: the most it could cost"


class BudgetScope(TextChoices):
    """Whose spending a budget limits, from the widest to the narrowest: counters are locked in this order."""

    TENANT = "tenant", "Organisation"
    ASSISTANT = "assistant", "Assistant"
    CHANNEL = "channel", "Channel"
    VISITOR = "visitor", "Visitor"


class BudgetPeriod(TextChoices):
    """When counters begin anew, by the tenant's calendar."""

    MONTH = "month", "Month"
    DAY = "day", "Day"


class PriceOrigin(TextChoices):
    """Where the price of a model comes from."""

    OWN = "own", "Set here"
    TABLE = "table", "LiteLLM's price list"
    FREE = "free", "Runs here, costs nothing"
    UNKNOWN = "unknown", "Unknown"


class RateScope(TextChoices):
    """Whose requests a rate limit counts."""

    TENANT = "tenant", "Organisation"
    KEY = "key", "Each API key"
    VISITOR = "visitor", "Each visitor"


class AlertLine(TextChoices):
    """What a threshold is a share of."""

    LIMIT = "limit", "Limit"
    WARNING = "warning", "Warning line"


class DeliveryState(TextChoices):
    """Whether somebody was told. `none`: there is no way to tell them."""

    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Trying again"
    NONE = "none", "Not sent"
