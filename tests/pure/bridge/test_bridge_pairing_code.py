"""The QR code and the link in a terminal."""

import io

import pytest

from relay import contract
from relay.bridge.pairing.pairing import qr_code, show_pairing

PAIR = contract.pairing(
    "https://relay.example.org", "s3cret-s3cret-s3cret-s3", ["http://192.168.178.20:4096"] * 2
)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_qr_code_of_a_typical_link_fits_a_terminal(count: int) -> None:
    hosts = [f"http://192.168.178.2{number}:4096" for number in range(count)]
    code = qr_code(contract.pairing_link(contract.pairing("https://relay.example.org", "s" * 24, hosts)))
    assert code
    lines = code.splitlines()
    assert {len(text) for text in lines} == {len(lines[0])}
    assert len(lines[0]) <= 80
    assert len(lines) <= 41


def test_the_qr_code_has_its_quiet_zone() -> None:
    code = qr_code("mobilevoice:///?pair=x")
    assert code
    lines = code.splitlines()
    assert lines[0] == lines[1] == "█" * len(lines[0])
    assert all(text.startswith("█" * 4) and text.endswith("█" * 4) for text in lines[:-1])


@pytest.mark.parametrize(
    ("length", "columns", "quiet_zone"),
    [(331, 77, 4), (332, 73, 4), (425, 77, 4), (426, 79, 3), (458, 79, 3), (459, 79, 1), (520, 79, 1)],
)
def test_a_longer_link_gives_up_error_correction_and_then_the_quiet_zone(
    length: int, columns: int, quiet_zone: int
) -> None:
    code = qr_code("x" * length)  # 331: the most at level M with a whole quiet zone; 520: the most at all
    assert code
    lines = code.splitlines()
    assert {len(text) for text in lines} == {columns}
    body = [text for text in lines if text.strip("█▀▄")]
    assert min(len(text) - len(text.lstrip("█")) for text in body) == quiet_zone


def test_a_link_that_is_too_long_is_printed_alone_and_said_to_be() -> None:
    assert qr_code("x" * 521) is None
    out = io.StringIO()
    pair = contract.pairing("https://relay.example.org", "s" * 24, ["http://192.168.178.20:4096"] * 20)
    show_pairing(pair, out)
    said = out.getvalue()
    assert "too long for a QR code of 80 columns" in said
    assert "relay pair --output" in said
    assert "█" not in said
    assert contract.pairing_link(pair) in said.splitlines()


def test_the_link_is_on_a_line_of_its_own_after_the_code() -> None:
    out = io.StringIO()
    show_pairing(PAIR, out)
    (link,) = [text for text in out.getvalue().splitlines() if text.startswith("mobilevoice:///?pair=")]
    assert contract.parse_pairing_link(link) == PAIR
    code = qr_code(link)
    assert code
    assert code in out.getvalue()


def test_a_terminal_that_is_not_utf8_gets_the_link_and_how_to_get_a_picture() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="latin-1")
    show_pairing(PAIR, out)
    text = raw.getvalue().decode("latin-1")
    assert "relay pair --output pairing.png" in text
    assert text.splitlines()[-2:] == [contract.pairing_link(PAIR), ""]
