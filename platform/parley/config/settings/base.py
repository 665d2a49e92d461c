"""Settings shared by every way of running Parley. Values come from the environment (table in README.md)."""

from __future__ import annotations

from typing import Any

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from kombu import Exchange, Queue

from parley.config import environment as env

# Before any model is imported: `Manager[Row]` and its like are typing's notation only.
django_stubs_ext.monkeypatch()

ROOT = env.ROOT
PARLEY_DATA_DIR = env.data_dir()

# -- who we are ---------------------------------------------------------------
SECRET_KEY = env.text("PARLEY_SECRET_KEY")
PARLEY_ENCRYPTION_KEYS = env.words("PARLEY_ENCRYPTION_KEYS")
PARLEY_PUBLIC_URL = env.text("PARLEY_PUBLIC_URL", "http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.words("PARLEY_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = [PARLEY_PUBLIC_URL]
PARLEY_DEMO = env.flag("PARLEY_DEMO", False)
DEBUG = False

# -- the house ----------------------------------------------------------------
INSTALLED_APPS = [
    "parley.tenancy",
    "parley.config",
    "parley.db",
    "parley.web",
    "parley.llm",
    "parley.jobs",
    "parley.embedded",
    "apps.tenants",
    "apps.gateway",
    "apps.knowledge",
    "apps.assistants",
    "apps.conversations",
    "apps.evaluations",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",
    "allauth",
    "allauth.account",
    "channels",
    "csp",
    "django_htmx",
    "template_partials",
    "lucide",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "parley.observability.requests.RequestLogMiddleware",
    "parley.web.headers.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "parley.web.slashes.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "parley.web.problems.ProblemMiddleware",
]

ROOT_URLCONF = "parley.config.urls"
ASGI_APPLICATION = "parley.config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "parley.web.context.shell",
            ],
            "builtins": ["template_partials.templatetags.partials", "parley.web.templatetags.ui"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# -- data ---------------------------------------------------------------------
# One database seen through four roles; requests use `default`, which row-level security restricts.
PARLEY_DB_THREADS = env.number("PARLEY_DB_THREADS", 8)
DATABASES = {
    "default": env.database("DATABASE_URL", pool_size=env.number("PARLEY_DB_POOL", 12)),
    "platform": env.database("PARLEY_PLATFORM_DATABASE_URL", pool_size=4, fallback=env.text("DATABASE_URL")),
    "migrator": env.database("PARLEY_MIGRATOR_DATABASE_URL", fallback=env.text("DATABASE_URL")),
}
DATABASE_ROUTERS = ["parley.db.routers.RoleRouter"]

VALKEY_URL = env.valkey("VALKEY_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": VALKEY_URL,
        "KEY_PREFIX": "parley",
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# -- models -------------------------------------------------------------------
PARLEY_LOCAL_MODEL_URL = env.text("PARLEY_LOCAL_MODEL_URL", "")
PARLEY_EMBEDDER_URL = env.text("PARLEY_EMBEDDER_URL", "")
# On a company's own network a model server often has a private address; a public deployment says no.
PARLEY_ALLOW_PRIVATE_PROVIDERS = env.flag("PARLEY_ALLOW_PRIVATE_PROVIDERS", False)
PARLEY_FORBID_REMOTE_MODELS = env.flag("PARLEY_FORBID_REMOTE_MODELS", False)

# -- the way out --------------------------------------------------------------
# Private networks (10.20.0.0/16) and servers (wiki.intern:8080) that addresses named by users may lead to.
PARLEY_EGRESS_ALLOW = env.words("PARLEY_EGRESS_ALLOW")

# -- people -------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.text("PARLEY_EMAIL_VERIFICATION", "optional")
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {"login_failed": "10/5m/ip,10/5m/key"}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/start/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# How many answers one tenant may have written at the same time, so that all of them get some; 0: no such share.
PARLEY_TENANT_CONCURRENT = env.number("PARLEY_TENANT_CONCURRENT", 0)
EMAIL_BACKEND = env.text("PARLEY_EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
DEFAULT_FROM_EMAIL = env.text("PARLEY_FROM_EMAIL", "parley@localhost")
# The doors of `parley.web` ask the tenants app who is let in, by name: the platform knows no app.
PARLEY_ACCESS_RESOLVER = "apps.tenants.services.access"

SESSION_COOKIE_NAME = "parley_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "parley_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "parley.web.problems.csrf_failure"

# -- browser walls (A-10) -----------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-src": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

# -- pages --------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
# Files are found once, at start, where they are: there is no collecting step and no second copy.
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_USE_STATIC_ROOT = False
SERVESTATIC_ALLOW_ALL_ORIGINS = False
SERVESTATIC_MAX_AGE = 300
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

REST_FRAMEWORK: dict[str, Any] = {
    # `parley.web.api.TenantAPIView` names its own; anything else is anonymous.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.MultiPartParser",
        "rest_framework.parsers.FormParser",
    ],
    "DEFAULT_SCHEMA_CLASS": "parley.web.openapi.ViewSchema",
    "EXCEPTION_HANDLER": "parley.web.problems.api_exception_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "ENUM_NAME_OVERRIDES": {
        "EntryKindEnum": "apps.knowledge.enums.EntryKind.choices",
        "SourceKindEnum": "apps.knowledge.source_enums.SourceKind.choices",
        "DocumentChangeKindEnum": ["added", "changed", "removed", "deleted"],
    },
    "TITLE": "Parley API",
    "DESCRIPTION": "Assistants, knowledge, conversations, evaluations and budgets of one organisation.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

# -- jobs ---------------------------------------------------------------------
CELERY_BROKER_URL = VALKEY_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = 840
CELERY_TASK_TIME_LIMIT = 900
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# A message not acknowledged for this long is delivered again; longer than any task may run.
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"visibility_timeout": 3600, "global_keyprefix": "celery:"}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "jobs"
# Sweeps and ticks beside the two classes of work: a worker takes from the three in turn.
CELERY_TASK_QUEUES = [Queue(name, Exchange(""), routing_key=name) for name in ("jobs", "work.interactive", "work.bulk")]
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
# A killed child keeps its slot this many seconds, in case its result is still under way. We keep no results.
CELERY_WORKER_LOST_WAIT = 0.5
# How long a killed worker's job waits (renewed four times as often), and what one job may take of memory.
# Deleted documents are hidden at once, can be restored for so many days, and are then erased; 0 erases them at once.
PARLEY_ERASE_AFTER_DAYS = env.number("PARLEY_ERASE_AFTER_DAYS", 30)
PARLEY_JOB_LEASE_SECONDS = env.number("PARLEY_JOB_LEASE_SECONDS", 30)
PARLEY_JOB_MAX_MEMORY_MB = env.number("PARLEY_JOB_MAX_MEMORY_MB", 2048)

# -- logs ---------------------------------------------------------------------
PARLEY_LOG_FORMAT = env.text("PARLEY_LOG_FORMAT", "json")
LOGGING_CONFIG = "parley.observability.logs.configure_logging"
LOGGING: dict[str, Any] = {"format": PARLEY_LOG_FORMAT, "level": env.text("PARLEY_LOG_LEVEL", "INFO")}

PARLEY_METRICS_TOKEN = env.text("PARLEY_METRICS_TOKEN", "")
