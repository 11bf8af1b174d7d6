"""The secret that phones and server share: is there one? The doctor makes none."""

from relay.bridge.errors import BridgeError
from relay.bridge.pairing.secret_file import checked_secret, default_secret_file, load_secret
from relay.doctor.case import Case
from relay.doctor.finding import Finding


def check_secret(case: Case) -> tuple[str | None, Finding]:
    """The secret, None if there is none that a relay would take, and what was found."""
    given, file = case.options.relay_secret, case.options.secret_file
    file = file or default_secret_file(case.environment)
    if not given and not file.exists():
        remedy = "relay pair makes one, and shows it to the phone"
        return None, Finding("secret", "fails", f"there is none in {file}", remedy)
    try:
        secret = checked_secret(given, "the relay secret") if given else load_secret(file)
    except BridgeError as error:
        remedy = "give a longer one" if given else "relay pair --rotate-secret makes a new one"
        return None, Finding("secret", "fails", str(error), remedy)
    return secret, Finding("secret", "ok", "it is given" if given else f"it is in {file}")
