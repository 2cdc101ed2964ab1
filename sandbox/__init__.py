"""A Jira and an identity provider that run anywhere and behave like the real ones. Public passwords; loopback only."""
