"""What every site has before anybody works on it: statuses, types, priorities, links, permissions, fields."""

from dataclasses import dataclass

from sandbox.jira.model import IssueType, LinkType, Priority, Status, Transition

TODO = Status(10_000, "To Do", "new")
DOING = Status(10_001, "In Progress", "indeterminate")
REVIEW = Status(10_002, "In Review", "indeterminate")
DONE = Status(10_003, "Done", "done")
WAITING = Status(10_004, "Waiting for Support", "new")
RESOLVED = Status(10_005, "Resolved", "done")
DRAFT = Status(10_006, "Draft", "new")
APPROVED = Status(10_007, "Approved", "indeterminate")
PAID = Status(10_008, "Paid", "done")
STATUSES = (TODO, DOING, REVIEW, DONE, WAITING, RESOLVED, DRAFT, APPROVED, PAID)

CATEGORIES = {
    "new": (2, "To Do", "blue-gray"),
    "indeterminate": (4, "In Progress", "yellow"),
    "done": (3, "Done", "green"),
}
"""Key -> (id, name, colour), as every Jira Cloud site has them."""

SOFTWARE_WORKFLOW = (
    Transition(11, "Start progress", DOING, (TODO,)),
    Transition(21, "Send to review", REVIEW, (DOING,)),
    Transition(31, "Back to work", DOING, (REVIEW, DONE)),
    Transition(41, "Done", DONE, (DOING, REVIEW)),
    Transition(51, "Drop", DONE, (TODO,), needs="RESOLVE_ISSUES"),
)
PAYMENT_WORKFLOW = (
    Transition(61, "Approve", APPROVED, (DRAFT,)),
    Transition(71, "Pay", PAID, (APPROVED,)),
    Transition(81, "Back to draft", DRAFT, (APPROVED,)),
)
SUPPORT_WORKFLOW = (
    Transition(91, "Take", DOING, (WAITING,)),
    Transition(101, "Resolve", RESOLVED, (WAITING, DOING), needs="RESOLVE_ISSUES"),
    Transition(111, "Ask again", WAITING, (DOING, RESOLVED)),
)

EPIC = IssueType(10_000, "Epic", "A large piece of work that holds others.", 1)
STORY = IssueType(10_001, "Story", "Something that a user wants.")
TASK = IssueType(10_002, "Task", "A piece of work.")
BUG = IssueType(10_003, "Bug", "Something that does not work.")
SUBTASK = IssueType(10_004, "Sub-task", "A part of another issue.", -1)
REQUEST = IssueType(10_005, "Request", "Something that a colleague asks for.")
PAYMENT = IssueType(10_006, "Payment", "Money that leaves the company.")
TYPES = (EPIC, STORY, TASK, BUG, SUBTASK, REQUEST, PAYMENT)

HIGHEST = Priority(1, "Highest", "#d04437", "Work stops until it is done.")
HIGH = Priority(2, "High", "#f15C75", "It is next.")
MEDIUM = Priority(3, "Medium", "#f79232", "In its turn.")
LOW = Priority(4, "Low", "#707070", "When there is time.")
LOWEST = Priority(5, "Lowest", "#999999", "Perhaps one day.")
PRIORITIES = (HIGHEST, HIGH, MEDIUM, LOW, LOWEST)

BLOCKS = LinkType(10_000, "Blocks", "is blocked by", "blocks")
CLONES = LinkType(10_001, "Cloners", "is cloned by", "clones")
DUPLICATES = LinkType(10_002, "Duplicate", "is duplicated by", "duplicates")
RELATES = LinkType(10_003, "Relates", "relates to", "relates to")
LINK_TYPES = (BLOCKS, CLONES, DUPLICATES, RELATES)

RESOLUTIONS = {
    "Done": (10_000, "Work has been completed."),
    "Won't Do": (10_001, "This issue won't be actioned."),
    "Duplicate": (10_002, "The problem is a duplicate of an existing issue."),
}


@dataclass(frozen=True, slots=True)
class Permission:
    """A built-in permission key; `groups` hold it when it is global."""

    id: int
    key: str
    name: str
    groups: tuple[str, ...] = ()


GLOBAL_PERMISSIONS = {
    p.key: p
    for p in (
        Permission(0, "ADMINISTER", "Administer Jira", ("jira-administrators",)),
        Permission(27, "USER_PICKER", "Browse users and groups", ("developers", "hr")),
        Permission(33, "BULK_CHANGE", "Make bulk changes", ("staff",)),
        Permission(22, "CREATE_SHARED_OBJECTS", "Share dashboards and filters", ("staff",)),
        Permission(24, "MANAGE_GROUP_FILTER_SUBSCRIPTIONS", "Manage group filter subscriptions", ()),
    )
}

PROJECT_PERMISSIONS = {
    p.key: p
    for p in (
        Permission(10, "BROWSE_PROJECTS", "Browse Projects"),
        Permission(23, "ADMINISTER_PROJECTS", "Administer Projects"),
        Permission(11, "CREATE_ISSUES", "Create Issues"),
        Permission(12, "EDIT_ISSUES", "Edit Issues"),
        Permission(16, "DELETE_ISSUES", "Delete Issues"),
        Permission(46, "TRANSITION_ISSUES", "Transition Issues"),
        Permission(14, "RESOLVE_ISSUES", "Resolve Issues"),
        Permission(18, "CLOSE_ISSUES", "Close Issues"),
        Permission(25, "MOVE_ISSUES", "Move Issues"),
        Permission(13, "ASSIGN_ISSUES", "Assign Issues"),
        Permission(17, "ASSIGNABLE_USER", "Assignable User"),
        Permission(28, "SCHEDULE_ISSUES", "Schedule Issues"),
        Permission(21, "LINK_ISSUES", "Link Issues"),
        Permission(30, "MODIFY_REPORTER", "Modify Reporter"),
        Permission(26, "SET_ISSUE_SECURITY", "Set Issue Security"),
        Permission(15, "ADD_COMMENTS", "Add Comments"),
        Permission(34, "EDIT_ALL_COMMENTS", "Edit All Comments"),
        Permission(35, "EDIT_OWN_COMMENTS", "Edit Own Comments"),
        Permission(36, "DELETE_ALL_COMMENTS", "Delete All Comments"),
        Permission(37, "DELETE_OWN_COMMENTS", "Delete Own Comments"),
        Permission(19, "CREATE_ATTACHMENTS", "Create Attachments"),
        Permission(20, "WORK_ON_ISSUES", "Work On Issues"),
        Permission(31, "VIEW_VOTERS_AND_WATCHERS", "View Voters and Watchers"),
        Permission(32, "MANAGE_WATCHERS", "Manage Watchers"),
        Permission(29, "MANAGE_SPRINTS_PERMISSION", "Manage sprints"),
    )
}

HOME_ADDRESS = "customfield_10042"
"""Personal data: where somebody lives."""

CUSTOM_FIELDS = {
    HOME_ADDRESS: (10_042, "Home address"),
    "customfield_10016": (10_016, "Story point estimate"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the site: its id, name, JQL names, and schema type (`items` for arrays)."""

    id: str
    name: str
    type: str
    clauses: tuple[str, ...]
    items: str | None = None


FIELDS = (
    Field("summary", "Summary", "string", ("summary",)),
    Field("description", "Description", "string", ("description",)),
    Field("environment", "Environment", "string", ("environment",)),
    Field("issuetype", "Issue Type", "issuetype", ("issuetype", "type")),
    Field("project", "Project", "project", ("project",)),
    Field("status", "Status", "status", ("status",)),
    Field("statusCategory", "Status Category", "statusCategory", ("statusCategory",)),
    Field("priority", "Priority", "priority", ("priority",)),
    Field("assignee", "Assignee", "user", ("assignee",)),
    Field("reporter", "Reporter", "user", ("reporter",)),
    Field("creator", "Creator", "user", ("creator",)),
    Field("labels", "Labels", "array", ("labels",), "string"),
    Field("security", "Security Level", "securitylevel", ("level",)),
    Field("parent", "Parent", "issuelink", ("parent",)),
    Field("subtasks", "Sub-tasks", "array", ("subtasks",), "issuelinks"),
    Field("issuelinks", "Linked Issues", "array", (), "issuelinks"),
    Field("comment", "Comment", "comments-page", ("comment",)),
    Field("created", "Created", "datetime", ("created", "createdDate")),
    Field("updated", "Updated", "datetime", ("updated", "updatedDate")),
    Field("duedate", "Due date", "date", ("due", "duedate")),
    Field("resolution", "Resolution", "resolution", ("resolution",)),
    Field("resolutiondate", "Resolved", "datetime", ("resolutiondate", "resolved")),
    Field("watches", "Watchers", "watches", ("watchers",)),
    Field(HOME_ADDRESS, "Home address", "string", ("cf[10042]", "Home address")),
    Field("customfield_10016", "Story point estimate", "number", ("cf[10016]", "Story point estimate")),
)
