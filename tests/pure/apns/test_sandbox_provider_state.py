"""What a connection remembers: its team, and how often the provider token changed in 20 minutes."""

from simulator.apns.authentication import MAX_TOKENS_KEPT

WINDOW = 1200


def see(room, number: int, at: float) -> None:
    room.provider.add_token(room.reader.read(room.sign(iat=int(room.now) - number)), at)


def test_the_first_token_binds_the_connection(room) -> None:
    assert room.provider.team_id is None
    see(room, 0, room.now)
    room.provider.add_token(room.reader.read(room.sign(room.registry.issue_key("OTHERTEAM0"))), room.now)
    assert room.provider.team_id == room.key.team_id


def test_three_tokens_are_fine_and_the_fourth_is_not(room) -> None:
    for number in range(3):
        assert not room.provider.is_update_too_soon(f"t{number}", room.profile, room.now)
        see(room, number, room.now)
    assert room.provider.is_update_too_soon("t3", room.profile, room.now)


def test_an_old_token_is_no_update(room) -> None:
    text = room.sign()
    room.provider.add_token(room.reader.read(text), room.now)
    for number in range(1, 3):
        see(room, number, room.now + number)
    assert not room.provider.is_update_too_soon(text, room.profile, room.now + 5)


def test_tokens_older_than_the_window_count_no_more(room) -> None:
    for number in range(3):
        see(room, number, room.now)
    assert room.provider.is_update_too_soon("new", room.profile, room.now + WINDOW - 1)
    assert not room.provider.is_update_too_soon("new", room.profile, room.now + WINDOW)


def test_after_one_too_many_nothing_goes_until_the_window_has_passed(room) -> None:
    text = room.sign()
    room.provider.add_token(room.reader.read(text), room.now)
    for number in range(1, 3):
        see(room, number, room.now + 60 * number)
    room.provider.throttle(room.profile, room.now + 300)
    room.provider.throttle(room.profile, room.now + 400)
    assert room.provider.throttled_until == room.now + WINDOW
    assert room.provider.is_update_too_soon(text, room.profile, room.now + WINDOW - 1)
    assert not room.provider.is_update_too_soon(text, room.profile, room.now + WINDOW)


def test_a_strict_profile_refuses_the_second_token(room) -> None:
    room.profile.provider_tokens = 1
    see(room, 0, room.now)
    assert room.provider.is_update_too_soon("second", room.profile, room.now)


def test_only_so_many_tokens_are_remembered(room) -> None:
    for number in range(MAX_TOKENS_KEPT + 3):
        see(room, number, room.now + number * WINDOW)
    assert len(room.provider._first_seen) == MAX_TOKENS_KEPT


def test_a_token_seen_again_keeps_its_first_time(room) -> None:
    token = room.reader.read(room.sign())
    room.provider.add_token(token, room.now)
    room.provider.add_token(token, room.now + 900)
    assert list(room.provider._first_seen.values()) == [room.now]
