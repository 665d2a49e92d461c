"""Tables of the gateway: `catalog` says who can be asked, `money` what it costs and how much may be spent."""

from apps.gateway.models.alerts import AlertSettings, BudgetAlert
from apps.gateway.models.catalog import Model, Provider, Route, RouteChoice
from apps.gateway.models.money import Budget, Hold, SpendingLimit, UsageEntry

__all__ = [
    "AlertSettings",
    "Budget",
    "BudgetAlert",
    "Hold",
    "Model",
    "Provider",
    "Route",
    "RouteChoice",
    "SpendingLimit",
    "UsageEntry",
]
