"""JQL: parse strictly, print back, narrow. Knows nothing of policy or of Jira clients.

    query = parse('project = OPEN AND status != Done ORDER BY created')   # raises InvalidCall
    fields(query)                      # {"project", "status", "created"}
    str(narrow(query, 'level is EMPTY'))
    # '(level is EMPTY) AND (project = OPEN AND status != Done) ORDER BY created'
"""
