"""Ways to a Jira credential of the very person who asks: one file each, found by its name."""
