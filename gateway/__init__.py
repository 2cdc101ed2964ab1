"""Jira Agent Gateway: an MCP server in which every Jira call runs as the person who asked."""

__version__ = "0.1.0"
