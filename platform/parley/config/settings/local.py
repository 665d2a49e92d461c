"""One machine, plain HTTP, embedded services: what `make up` runs."""

from parley.config import environment as env
from parley.config.settings.base import *

PARLEY_DEMO = env.flag("PARLEY_DEMO", True)
PARLEY_ALLOW_PRIVATE_PROVIDERS = env.flag("PARLEY_ALLOW_PRIVATE_PROVIDERS", True)
