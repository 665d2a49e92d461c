"""Addresses end in a slash; a request that forgot it is sent on as it is."""

from django.http import HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware


class _SendOn(HttpResponsePermanentRedirect):
    """308: unlike after 301, a client repeats the method and the body."""

    status_code = 308


class SlashMiddleware(CommonMiddleware):
    """Django's, for programs as well: a POST without the slash would come back as a GET, and seem to work."""

    response_redirect_class = _SendOn
