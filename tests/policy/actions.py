"""The nine tools of the line, as policy knows them."""

from gateway.model import ActionSpec, Effect

TOOLS = (
    ActionSpec("jira_whoami", Effect.READ, "Site", {}),
    ActionSpec("jira_search", Effect.READ, "Site", {"jqlFields": "Set<String>", "maxResults": "Long"}),
    ActionSpec("jira_get_issue", Effect.READ, "Issue", {"fields": "Set<String>?"}),
    ActionSpec("jira_list_projects", Effect.READ, "Site", {}),
    ActionSpec(
        "jira_create_issue",
        Effect.WRITE,
        "Project",
        {"issueType": "String", "fields": "Set<String>", "priority": "String?", "labels": "Set<String>?"},
    ),
    ActionSpec("jira_update_issue", Effect.WRITE, "Issue", {"fields": "Set<String>"}),
    ActionSpec("jira_transition", Effect.WRITE, "Issue", {"to": "String"}),
    ActionSpec("jira_comment", Effect.WRITE, "Issue", {"fields": "Set<String>"}),
    ActionSpec("jira_delete_issue", Effect.DESTROY, "Issue", {}),
)
