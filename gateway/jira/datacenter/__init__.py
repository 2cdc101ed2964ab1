"""One Jira Data Center (9, 10, 11), behind the same face as Jira Cloud.

    tools, views, facts      speak Cloud's JSON: accountId, ADF, `search/jql`, `project/search`
    session.py               turns each request and answer around at the edge
    answers.py, requests.py  what is turned into what
    client.py                whose answer it is: `X-AUSERNAME`
    ../wiki/                 wiki text and ADF

What of this nobody here saw at a live server stands in docs/identity/jira-datacenter.md.
"""
