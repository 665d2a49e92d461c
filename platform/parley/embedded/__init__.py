"""PostgreSQL, Valkey and the local models as child processes, so that one command runs all of Parley.

Knows no app: it starts commands by name and hands them their settings through the environment.
"""
