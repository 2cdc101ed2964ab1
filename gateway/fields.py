"""The fields that every Jira site has, by the id under which an issue carries them.

Jira names custom fields `customfield_N`; any other id in an issue's `fields` is one of these
(`GET /rest/api/3/field` with `custom: false`). `issuekey` and `thumbnail` are columns of that list
without a value in any issue, so they are not here: hiding them would hide nothing.
"""

SYSTEM_FIELDS = frozenset(
    {
        *("summary", "description", "environment", "comment", "attachment", "worklog"),
        *("project", "issuetype", "parent", "subtasks", "issuelinks", "labels", "components"),
        *("status", "statusCategory", "statuscategorychangedate", "priority", "resolution"),
        *("security", "issuerestriction", "reporter", "creator", "assignee", "votes", "watches"),
        *("created", "updated", "duedate", "resolutiondate", "lastViewed", "fixVersions", "versions"),
        *("timeestimate", "timeoriginalestimate", "timespent", "timetracking", "workratio", "progress"),
        *("aggregatetimeestimate", "aggregatetimeoriginalestimate", "aggregatetimespent"),
        "aggregateprogress",
    }
)
"""Spelt as Jira spells them; whoever compares does it without case."""
