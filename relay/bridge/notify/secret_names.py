"""Secrets that are known by the name before them, as in `DB_PASS=…`, `token: …` and `--password …`. Pure.

Classes: detect-secrets' keyword (its denylist), gitleaks' generic-api-key. Most of this file says what is none: a sentence that
speaks of tokens, a variable, a call, a type.
"""

import re
from typing import Final

MASK: Final = "***"

_QUOTED: Final = r"\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'[^']*(?:'|\Z)|`[^`]*(?:`|\Z)"

_VALUE: Final = rf"(?:[a-z]{{1,2}}?(?=[\"'])|\$(?='))?(?:{_QUOTED})|[^\s\"'&,;)}}\]|<>`⏎]+"

WORD: Final = r"(?:\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s\"'|;&<>`⏎]+)"
"""One argument of a command."""

_ANYWHERE: Final = (
    r"pass[-_ ]?(?:word|wd|phrase|code)|passwort|kennwort|contrase(?:ñ|n)a|mot[-_]de[-_]passe|senha|secret|token|credentials?|authorization"
    r"|(?:api|access|secret|private|signing|encryption|master|service|account|storage|auth|client|session|deploy|license|webhook|db|database|shared|ssh|hmac|jwt)[-_ ]?key"
    r"|secret[-_]?access[-_]?key|secret[-_]?key[-_]?base|connection[-_]?string|access[-_]?key[-_]?id"
)

_ALONE: Final = r"pass|pwd|passwd|pw|psk|pin|otp|dsn|salt|auth|cookie|jsessionid|phpsessid|session|sessionid|sid|csrf|xsrf|jwt|bearer|pat"
"""These are names of secrets only as a word of their own."""

_NAME: Final = (
    rf"[\w.-]*?(?:{_ANYWHERE}|(?:(?<![A-Za-z])|(?<=[a-z])(?=(?-i:[A-Z])))(?:{_ALONE}))"
    r"(?:[-_]?(?:\d{1,2}|prod|production|dev|staging|test|live|old|new|value|base64|b64))?"
)

_EQUALS: Final = "(?::=|=>|={1,3})"
"""With spaces on both sides or on none: `TOKEN= npm test` runs npm without a token."""

_NAMED: Final = re.compile(
    rf"(?i)(?<![\w-])(?P<name>-{{0,2}}{_NAME})(?P<sep>[\"'`\]]*(?:[ \t]+{_EQUALS}[ \t]+|{_EQUALS}|[ \t]*:(?![:=])[ \t]*))(?P<value>{_VALUE})"
)

_NAMED_IN_QUOTES: Final = re.compile(
    rf"(?i)(?P<kept>(?P<quote>[\"'])(?P<name>{_NAME})=)(?P<value>[^\s\"'$<]+[ \t][^\"']*)(?P<end>(?P=quote))"
)
"""A value with spaces inside of an argument: 'client_secret=two words'."""

_FLAG: Final = re.compile(
    rf"(?i)(?<![\w-])(?P<name>--?(?:[a-z-]*?(?:{_ANYWHERE})|pass|pwd|pw|storepass|keypass))(?P<sep>\s+)(?P<value>(?!-){WORD})"
)

_REFERENCE: Final = re.compile(
    r"""(?x) \$\w+ | \$\{ \w+ \} | \$\(.* | \$\{\{.* | \{\{.* | %\w+% | %[rsd] | <[^>]*>? | @\w+@ | \[?redacted\]?
    | \*{2,} | \.{2,} | …  | x{3,} | your[-_\w]* | env: .*
    | (?:os|self|this|cls|process|config|settings|env|request|req|args|options|opts|ctx|secrets|params|user|data|response|res|import|system|deno|bun|vars|var|local|module|app|session|z|state|props|input)\b[.\[?].*
    | [a-z_$][\w$]* (?:\.[\w$]+)* [(\[] .*
    | (?:~|\.{1,2})?(?:/[a-z0-9._-]+)+/? | [a-z]+://.* | \w+=.*""",
    re.IGNORECASE,
)
"""What stands where a secret would, and is none: variables, calls, placeholders, paths."""

_NO_VALUES: Final = frozenset(
    [
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "none",
        "null",
        "nil",
        "undefined",
        "required",
        "optional",
        "str",
        "string",
        "bytes",
        "int",
        "integer",
        "number",
        "boolean",
        "bool",
        "any",
        "void",
        "object",
        "await",
        "new",
        "async",
        "not",
        "default",
        "prompt",
        "stdin",
        "file",
        "env",
        "required",
    ]
)
"""Words that are a value nowhere, and, after a colon, those with which a sentence goes on."""

_NO_DESCRIPTIONS: Final = _NO_VALUES | frozenset(
    [
        "missing",
        "invalid",
        "expired",
        "wrong",
        "incorrect",
        "empty",
        "unset",
        "set",
        "changed",
        "reset",
        "rotated",
        "revoked",
        "valid",
        "ok",
        "text",
        "secret",
        "password",
        "token",
        "username",
        "read",
        "write",
        "inherit",
        "deprecated",
        "unknown",
        "hidden",
        "masked",
        "disabled",
        "enabled",
        "failed",
        "found",
        "unauthorized",
        "forbidden",
        "always",
        "never",
        "jwt",
        "session",
        "oauth",
        "bearer",
        "basic",
        "strict",
        "lax",
        "input",
        "hashed",
        "bcrypt",
    ]
)

_PASSWORD: Final = re.compile(r"(?i)pass|pwd|pw$|kennwort|contrase|senha|psk|pin$|otp$")


def _mask_quoted(found: re.Match[str]) -> str:
    first = found["value"].split()[0]
    is_code = is_reference(first) or _is_short_word(found["name"]) or _is_code(found["name"], first, first)
    return found[0] if is_code else found["kept"] + MASK + found["end"]


def _mask_named(found: re.Match[str]) -> str:
    name, sep, value = found["name"], found["sep"], found["value"]
    inner = value.strip("\"'`")
    if name.strip("-").upper() in ("PWD", "OLDPWD") or is_reference(value) or _closes_a_quote(found):
        return found[0]
    if _is_code(name, value, inner) or (sep.isspace() and _is_prose(found, inner)):
        return found[0]
    if inner.isdigit() and len(inner) < 4:
        return found[0]
    is_secret = _assigned if "=" in sep or sep.isspace() else _described
    return name + sep + MASK if is_secret(found, inner) else found[0]


def _assigned(found: re.Match[str], value: str) -> bool:
    """name=value, or --name value."""
    if found["sep"].strip() in ("==", "==="):
        return _is_quoted(found["value"]) and _is_odd(value)
    return not _is_short_word(found["name"]) or (_is_odd(value) and len(value) >= 8)


def _is_prose(found: re.Match[str], value: str) -> bool:
    """A flag in a sentence, as in "give it by --password or a variable"."""
    goes_on = re.match(r"[ \t]+[a-z]+(?:[ \t.,]|$)", found.string[found.end() :])
    return bool(re.fullmatch(r"[a-z]{1,5}", value) and goes_on) or bool(
        re.match(r"--?(?:rotate|reset|no|show)-", found["name"])
    )


def _described(found: re.Match[str], value: str) -> bool:
    """name: value, in YAML, JSON, a header, or a sentence."""
    name = found["name"]
    if value.lower().strip(".?!:") in _NO_DESCRIPTIONS:
        return False
    if re.fullmatch(r"v?\d{1,3}(?:\.\d{1,3}){1,3}", value):
        return False
    if value.isdigit():
        return len(value) > 6 or bool(_PASSWORD.search(name))
    if _is_short_word(name):
        return len(value) >= 16 and _is_odd(value) and not value.startswith("ses_")
    if _is_odd(value):
        return len(value) >= 4
    goes_on = bool(re.match(r"[ \t]+[^\s#\"'}\]]", found.string[found.end() :]))
    if _is_quoted(found["value"]):
        return (
            '"' in found["sep"] or "'" in found["sep"] or len(value) >= (4 if _PASSWORD.search(name) else 8)
        )
    if len(value) < 4 or (goes_on and not (name.isupper() and "_" in name)):
        return False
    return _is_compound(name) or bool(_PASSWORD.search(name))


def _is_code(name: str, value: str, inner: str) -> bool:
    """An expression of a programming language: `token=request.token`, `self._key = key`, `token: ProviderToken`, `f"{token}"`."""
    if re.search(r"\{[A-Za-z_][\w.]*(?:\[[^\]]*\])?\}", inner) and not re.search(
        r"\d", re.sub(r"\{[^}]*\}", "", inner)
    ):
        return True
    if _is_quoted(value) or name.strip("-").isupper():
        return False
    own = name.rpartition(".")[2].strip("-_")
    return inner[:1] in "{[(" or bool(
        re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", inner)
        or re.fullmatch(rf"(?i)\w*?_?{re.escape(own)}|[a-z_]*_(?:{_ANYWHERE})", inner)
        or re.fullmatch(r"(?:[A-Z][a-z]+){2,}", inner)
    )


def is_reference(value: str) -> bool:
    """A variable, a call, a placeholder, a path, or a word that is no secret."""
    inner = value.strip("\"'`")
    if not inner or inner == MASK or inner.lower().strip(".?!:") in _NO_VALUES:
        return True
    if value.startswith("'") and inner.startswith("$"):
        return bool(re.fullmatch(r"\$\{?[A-Z_]+\}?", inner))
    if not re.search(r"[^\W_]", inner):
        return True
    return bool(_REFERENCE.fullmatch(inner))


def _is_quoted(value: str) -> bool:
    return value[-1:] in ("'", '"', "`")


def _is_compound(name: str) -> bool:
    return bool(re.search(r"[a-zA-Z][_-][a-zA-Z]", name)) or name.isupper()


def _is_short_word(name: str) -> bool:
    return bool(re.fullmatch(rf"(?i)-*(?:{_ALONE})", name)) and not _PASSWORD.search(name)


def _is_odd(value: str) -> bool:
    """No word of a language: with a digit, a sign, or a capital inside."""
    return bool(re.search(r"\d|[^\w\s.,:!?'’-]|[a-z][A-Z]", value)) and not re.fullmatch(
        r"v?\d{1,3}(?:[.,/:]\d+)*%?[.,]?", value
    )


def _closes_a_quote(found: re.Match[str]) -> bool:
    """As in `grep "password=" src`: what seems to begin a value ends the text that the name stands in."""
    quote, inner = found["value"][:1], found["value"][1:2]
    if quote not in ("'", '"', "`") or quote in found["sep"]:
        return False
    line = re.split("[\n⏎]", found.string[: found.start()])[-1]
    return not inner.strip() or (inner in ")],;}" and line.count(quote) % 2 == 1)


def mask_named(text: str) -> str:
    """`text` with "***" for what stands behind a secret's name."""
    text = _NAMED_IN_QUOTES.sub(_mask_quoted, text)
    for pattern in (_NAMED, _FLAG):
        text = pattern.sub(_mask_named, text)
    return text
