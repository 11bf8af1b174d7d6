"""The routes of /admin as a Quart app of its own, and the door to it. Nothing but the form for the token is for strangers."""

import base64
import hashlib
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart, Response, g, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from relay import __version__
from relay.log import line
from relay.server import story
from relay.server.addresses import Headers
from relay.server.admin import figures, reading
from relay.server.admin.access import COOKIE, SESSION_SECONDS, Failures, Sessions, is_from_our_page, is_https
from relay.server.admin.reading import Reading, Stored
from relay.server.background import BackgroundTasks
from relay.server.store.log import SEARCHED, Position, Wanted
from relay.server.store.sql import Refused, Unavailable

log = logging.getLogger("relay.server.admin")

PATH: Final = "/admin"
MAX_FORM, FORM_SECONDS = 4096, 10
DATABASE_SECONDS = 9.0
STYLE: Final = (Path(__file__).parent / "style.css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
"""No script at all, no other host, no frame; the one style sheet stands in the page."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that a form's Origin would be null (Fetch standard, "serializing a request origin").
    "Referrer-Policy": "same-origin",
}
AWAY: Final = "The database does not answer. What stands here without it is what this relay knows itself."


class AdminRoute:
    """ASGI middleware: /admin and what lies below goes to `pages`, all else on."""

    def __init__(self, app: ASGIFramework, pages: Quart) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Pass on."""
        path = scope["path"] if scope["type"] == "http" else ""
        ours = path == PATH or path.startswith(f"{PATH}/")
        await (self._pages.asgi_app if ours else self._app)(scope, receive, send)


class Admin:
    """The pages. `address` names the client behind a peer and its headers, by which wrong tokens are counted; `about` says which
    relay this is.
    """

    def __init__(
        self,
        data: Reading,
        sessions: Sessions,
        failures: Failures,
        *,
        address: Callable[[str, Headers], str],
        about: str,
    ) -> None:
        self._data, self._sessions, self._failures = data, sessions, failures
        self._address, self._about = address, about
        self._background = BackgroundTasks(DATABASE_SECONDS)
        self.app = self._create_app()

    async def close(self) -> None:
        """Wait for what is being done."""
        await self._background.close()

    def _create_app(self) -> Quart:
        app = Quart("relay.server.admin.pages", static_folder=None, template_folder="templates")
        app.url_map.merge_slashes = False
        app.config["MAX_CONTENT_LENGTH"], app.config["BODY_TIMEOUT"] = MAX_FORM, FORM_SECONDS
        app.jinja_env.globals.update(
            story=story, figures=figures, style=STYLE, about=self._about, version=__version__, pages=PAGES
        )
        app.before_request(self._guard)
        app.after_request(_guarded)
        app.register_error_handler(HTTPException, self._refuse)
        for error in (Unavailable, Refused, TimeoutError):
            app.register_error_handler(error, self._away)
        app.register_error_handler(Exception, self._broken)
        for method, path, view in self._routes():
            app.add_url_rule(PATH + path, f"{method} {path}", view, methods=[method], strict_slashes=True)
        return app

    def _routes(self) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        return [
            ("GET", "", self._overview),
            ("POST", "/login", self._login),
            ("POST", "/logout", self._logout),
            ("GET", "/deliveries", self._deliveries),
            ("GET", "/deliveries/<apns_id>", self._story),
            ("GET", "/phones", self._phones),
            ("GET", "/phones/<device_id>/forget", self._ask_forget_phone),
            ("POST", "/phones/<device_id>/forget", self._forget_phone),
            ("POST", "/phones/<device_id>/test", self._test),
            ("GET", "/secrets/<secret_hash>/forget", self._ask_forget_secret),
            ("POST", "/secrets/<secret_hash>/forget", self._forget_secret),
        ]

    # The door.

    async def _guard(self) -> tuple[str, int] | None:
        """Before every route, and before "not found": without a session there is only the form."""
        g.now = self._data.now_ms
        logs_in = request.method == "POST" and request.path == f"{PATH}/login"
        if request.method == "POST" and not is_from_our_page(_headers()):
            return await self._form("The request did not come from this page.", 403)
        if logs_in:
            return None
        session = request.cookies.get(COOKIE, "")
        if not self._sessions.is_good(session):
            # Only the entrance is there for strangers; any other path is as forbidden as one that does not exist.
            return await self._form("", 200 if request.method == "GET" and request.path == PATH else 403)
        g.session, g.form_token = session, self._sessions.form_token(session)
        if request.method == "POST":
            form = await request.form
            if not self._sessions.is_form_of(session, form.get("form_token", "")):
                return await self._message(
                    "That form is out of date", "Go back, load the page again, and try once more.", 403
                )
        return None

    async def _page(self, template: str, secret_hashes: Iterable[str] = (), **values: Any) -> str:
        names = await self._background.run(self._data.names(secret_hashes))
        return await render_template(template, names=names, **values)

    async def _form(self, problem: str, status: int) -> tuple[str, int]:
        secure = is_https(request.scheme, _headers()) or _is_loopback(request.host)
        return await render_template("login.html", problem=problem, secure=secure), status

    async def _login(self) -> Any:
        scope: Mapping[str, Any] = request.scope
        address = self._address(str((scope.get("client") or ("",))[0]), scope["headers"])
        if wait := self._failures.wait(address):
            said, status = await self._form(f"Too many wrong tokens. Try again in {math.ceil(wait)} s.", 429)
            return said, status, {"Retry-After": str(math.ceil(wait))}
        session = self._sessions.begin((await request.form).get("token", ""))
        if session is None:
            self._failures.add(address)
            log.warning(line("admin refused", address=address))
            return await self._form("That is not the admin token of this relay.", 403)
        log.info(line("admin login", address=address))
        response = redirect(PATH, 303)
        response.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_SECONDS,
            path=PATH,
            httponly=True,
            samesite="Strict",
            secure=is_https(request.scheme, _headers()),
        )
        return response

    async def _logout(self) -> Any:
        self._sessions.end(g.session)
        response = redirect(PATH, 303)
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict")
        return response

    # What is seen.

    async def _overview(self) -> str:
        stored: Stored | None = None
        names: dict[str, str] = {}
        try:
            stored = await self._background.run(self._data.stored())
            names = await self._background.run(self._data.names(one.secret_hash for one in stored.newest))
        except (Unavailable, Refused, TimeoutError) as error:
            log.warning(line("admin without the database", error=str(error) or "no answer in time"))
        return await render_template(
            "overview.html",
            key=self._data.key(),
            stored=stored,
            names=names,
            away=AWAY,
            counted=reading.COUNTED,
        )

    async def _deliveries(self) -> str:
        wanted = Wanted(request.args.get("secret") or None, "failed" if request.args.get("failed") else None)
        page = await self._background.run(
            self._data.deliveries(wanted, _position(request.args.get("before")))
        )
        hashes = [one.secret_hash for one in page.found] + [wanted.secret_hash or ""]
        return await self._page("deliveries.html", hashes, page=page, wanted=wanted, searched=SEARCHED)

    async def _story(self, apns_id: str) -> Any:
        found = await self._background.run(self._data.story(apns_id))
        if found is None:
            return await self._nothing("no such delivery is in the log")
        return await self._page(
            "story.html",
            [found.one.secret_hash],
            one=found.one,
            registered=found.registered,
            test=bool(request.args.get("test")),
        )

    async def _phones(self) -> str:
        given = request.args.get("secret", "").strip()
        beginning = await self._background.run(self._data.beginning(given))
        found = await self._background.run(self._data.phones(beginning, request.args.get("after")))
        more = found[reading.PHONES - 1].id if len(found) > reading.PHONES else None
        return await self._page(
            "phones.html",
            [one.secret_hash for one in found],
            phones=found[: reading.PHONES],
            more=more,
            given=given,
            done=request.args.get("done"),
        )

    # What is done. A caller who hangs up stops nothing of it.

    async def _ask_forget_phone(self, device_id: str) -> Any:
        phone = await self._background.run(self._data.phone(device_id))
        if phone is None:
            return await self._nothing("the phone is not registered any more")
        return await self._page(
            "forget.html", [phone.secret_hash], phone=phone, secret_hash=phone.secret_hash
        )

    async def _forget_phone(self, device_id: str) -> Any:
        phone = await self._background.run(self._data.forget_phone(device_id))
        if phone is None:
            return await self._nothing("the phone is not registered any more")
        log.info(
            line("admin forgot", token=f"…{phone.token_suffix}", secretHash=f"{phone.secret_hash[:12]}…")
        )
        return redirect(f"{PATH}/phones?done=phone", 303)

    async def _ask_forget_secret(self, secret_hash: str) -> Any:
        count = await self._background.run(self._data.count_phones(secret_hash))
        return await self._page(
            "forget.html", [secret_hash], phone=None, secret_hash=secret_hash, count=count
        )

    async def _forget_secret(self, secret_hash: str) -> Any:
        count = await self._background.run(self._data.forget_secret(secret_hash))
        log.info(line("admin forgot", secretHash=f"{secret_hash[:12]}…", phones=count))
        return redirect(f"{PATH}/phones?done=secret", 303)

    async def _test(self, device_id: str) -> Any:
        apns_id = await self._background.run(self._data.test(device_id))
        if apns_id is None:
            return await self._nothing("the phone is not registered any more")
        log.info(line("admin test push", apnsID=apns_id))
        return redirect(f"{PATH}/deliveries/{apns_id}?test=1", 303)

    # What goes wrong.

    async def _nothing(self, why: str) -> tuple[str, int]:
        return await self._message("There is nothing here", f"{why[0].upper()}{why[1:]}.", 404)

    async def _message(self, title: str, words: str, status: int) -> tuple[str, int]:
        return await render_template("message.html", title=title, words=words), status

    async def _refuse(self, error: HTTPException) -> Any:
        if error.code == 404:
            return await self._nothing("this page does not exist")
        return await self._message(error.name, "The relay does not take that.", error.code or 500)

    async def _away(self, error: Exception) -> Any:
        log.warning(line("admin without the database", error=str(error) or "no answer in time"))
        return await self._message(
            "The database does not answer", "Try again in a moment; the relay's log says why.", 503
        )

    async def _broken(self, error: Exception) -> Any:
        log.error("admin page broken", exc_info=error)
        return await self._message("This page is broken", "The relay's log says why; please report it.", 500)


PAGES: Final = (("", "Overview"), ("/deliveries", "Deliveries"), ("/phones", "Phones"))


def _headers() -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _guarded(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _position(text: str | None) -> Position | None:
    """`1764522199000-3f2a1b9c-…`: a place in the log as a link has it; what is none is the end."""
    at, _, apns_id = (text or "").partition("-")
    return Position(int(at), apns_id) if at.isascii() and at.isdigit() and len(at) < 18 else None


def _is_loopback(host: str) -> bool:
    return host.rpartition(":")[0].strip("[]") in ("127.0.0.1", "localhost", "::1") or host == "localhost"
