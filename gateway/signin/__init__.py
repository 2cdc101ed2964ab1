"""How a person's browser is signed in, and connects that person's Jira account. Beside `transport/`, above the line.

    /login              signs the browser in at the company's provider (OpenID Connect): provider.py, login.py
    /connect            the person's connections
    /connect/SITE       begins one; SITE/callback ends it: connect.py

Nothing that decides anything is in a cookie or in an address: a cookie holds a random id, an address
at most a sealed note that says for whom it was made (`hint.py`). What a browser has begun is kept in
the `Store`, once, for ten minutes, bound to that browser (`flows.py`); who it is signed in as, in
`sessions.py`. An assistant's caller and a browser's person are the same when issuer and subject are.
"""
