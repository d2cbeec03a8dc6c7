import pytest

from stream_app.dashboard.guard import allowed_names, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "localhost.example.org", "example.org", ""])
def test_not_loopback(host):
    assert not is_loopback(host)


def test_names_on_loopback_are_loopbacks_own_and_those_given():
    assert allowed_names("127.0.0.1", ("desk.example.org",)) == {"127.0.0.1", "localhost", "::1", "desk.example.org"}


def test_names_elsewhere_are_those_given_and_never_any():
    assert allowed_names("0.0.0.0", ()) == {"127.0.0.1", "localhost", "::1"}
    assert allowed_names("0.0.0.0", ("desk.example.org",)) == {"desk.example.org"}
