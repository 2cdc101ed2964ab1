"""Side by side in one run: this gateway, a bare endpoint as the limit, and mcp-atlassian.

`make bench` prints the table; with JSON=1 the last line is one object of ratios.
"""
