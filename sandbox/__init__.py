"""A Jira and an identity provider that run anywhere and behave like the real ones.

Their passwords and keys are public, so neither listens off loopback.
"""
