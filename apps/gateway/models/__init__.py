"""Tables of the gateway: `catalog` says who can be asked, `money` what it costs and how much may be spent."""

from apps.gateway.models.alerts import AlertSettings, BudgetAlert
from apps.gateway.models.catalog import Model, ModelFault, Provider, ProviderKey, Route, RouteChoice
from apps.gateway.models.money import Budget, Hold, SpendingLimit, UsageEntry
from apps.gateway.models.rates import RateLimit
from apps.gateway.models.usage import UsageHour, UsageMark

__all__ = [
    "AlertSettings",
    "Budget",
    "BudgetAlert",
    "Hold",
    "Model",
    "ModelFault",
    "Provider",
    "ProviderKey",
    "RateLimit",
    "Route",
    "RouteChoice",
    "SpendingLimit",
    "UsageEntry",
    "UsageHour",
    "UsageMark",
]
