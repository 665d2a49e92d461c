"""What the tests run with: the services of tests/conftest.py, connected as the restricted role."""

import os

# The harness replaces these once the throw-away services run; checks that need no database use them as is.
os.environ.setdefault("PARLEY_SECRET_KEY", "tests-only-secret-key-that-is-long-enough-for-django-checks-000")
os.environ.setdefault("PARLEY_ENCRYPTION_KEYS", "dGVzdHMtb25seS1rZXktMzItYnl0ZXMtbG9uZyEhISE=")
os.environ.setdefault("DATABASE_URL", "postgresql://app_rw@127.0.0.1:1/parley")
os.environ.setdefault("VALKEY_URL", "redis://127.0.0.1:1/0")

from parley.config.settings.base import *

PARLEY_DEMO = True
PARLEY_FORBID_REMOTE_MODELS = True
PARLEY_ALLOW_PRIVATE_PROVIDERS = True
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ACCOUNT_RATE_LIMITS = {}
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
for alias in DATABASES.values():
    alias["OPTIONS"].pop("pool", None)
