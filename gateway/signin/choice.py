"""At which of several providers somebody signs in.

    the only one                of the gateway, or of the site that the assistant asks for
    `issuer` in the address     picked on the page, or known from a note
    `login_hint`                the domain of the e-mail address, where the settings give it to one provider
    else                        a page: type the address, or pick

Only the domain is looked at, so the page is the same for everybody of a company, whether they exist or not.
A provider that was picked decides nothing but where the browser goes: who comes back is that issuer's.
"""

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.settings import Issuer
from gateway.settings.jira import JiraSite
from gateway.signin import pages
from gateway.signin.provider import Provider
from gateway.signin.web import Visit

HINT, PICKED = "login_hint", "issuer"


class Choice:
    """The providers, and what leads to each.

    `domains`: issuer -> its e-mail domains in small letters. `sites`: URL of an MCP endpoint -> the issuers whose
    people that site serves; one that is absent serves all.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        domains: Mapping[str, Sequence[str]] | None = None,
        sites: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self._providers = tuple(providers)
        self._issuer_of = {name: issuer for issuer, names in (domains or {}).items() for name in names}
        self._sites = sites or {}

    def for_assistant(self, visit: Visit, resource: str) -> Provider | Response:
        """Where to sign in for the endpoint `resource`; or the page, which leads back with the same request."""
        return self.of(visit, self._serving(resource))

    def of(self, visit: Visit, among: Sequence[Provider] = ()) -> Provider | Response:
        """Where to sign in, `among` some or all; or the page on which to say it."""
        candidates = among or self._providers
        if len(candidates) == 1:
            return candidates[0]
        by_issuer = {one.issuer: one for one in candidates}
        hint = visit.query.get(HINT, "")
        wanted = visit.query.get(PICKED) or self._issuer_of.get(_domain(hint), "")
        return by_issuer.get(wanted) or self._page(visit, candidates, hint)

    def _serving(self, resource: str) -> list[Provider]:
        issuers = self._sites.get(resource)
        return [one for one in self._providers if issuers is None or one.issuer in issuers]

    def _page(self, visit: Visit, candidates: Sequence[Provider], hint: str) -> Response:
        rest = {name: value for name, value in visit.query.items() if name not in (HINT, PICKED)}
        told = pages.notice("No sign-in is set for that address. Choose one below.", "bad") if hint else ""
        typed = self._form(visit.path, rest) if self._issuer_of else ""
        ways = "".join(
            f"<li>{pages.link(f'{visit.path}?{urlencode({**rest, PICKED: one.issuer})}', one.name)}</li>"
            for one in candidates
        )
        lead = '<p class="lead">Choose the sign-in of your company.</p>'
        return pages.page(
            "Where do you sign in?", f'{lead}{told}{typed}<ul class="choices">{ways}</ul>', None
        )

    def _form(self, path: str, rest: Mapping[str, str]) -> str:
        hidden = "".join(
            f'<input type="hidden" name="{escape(n)}" value="{escape(v)}">' for n, v in rest.items()
        )
        return (
            f'<form method="get" action="{escape(path)}">{hidden}'
            '<label for="address">Your e-mail address at work</label> '
            f'<input id="address" name="{HINT}" type="email" autocomplete="email" required maxlength="254"> '
            '<button class="main" type="submit">Continue</button></form>'
        )


def choice_from(
    issuers: Sequence[Issuer], providers: Sequence[Provider], sites: Mapping[str, JiraSite]
) -> Choice:
    """The choice of the settings; `sites` by the URL of their MCP endpoints. A site whose every credential names
    its providers serves their people alone."""
    names = {one.short: one.issuer for one in issuers}
    served = {
        url: frozenset(
            names[name] for order in site.credential for name in order.issuers or names if name in names
        )
        for url, site in sites.items()
    }
    return Choice(providers, domains={one.issuer: one.email_domains for one in issuers}, sites=served)


def _domain(address: str) -> str:
    """Of an e-mail address, in small letters; empty for anything else."""
    name, at, domain = address.rpartition("@")
    return domain.lower() if name and at else ""
