"""Behind HTTPS with managed services."""

from parley.config import environment as env
from parley.config.settings.base import *

SECURE_SSL_REDIRECT = env.flag("PARLEY_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
# The prefix makes the browser refuse the cookie unless it is Secure, host-only and for the whole site.
SESSION_COOKIE_NAME = "__Host-parley_session"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-parley_csrf"
CSRF_COOKIE_SECURE = True
