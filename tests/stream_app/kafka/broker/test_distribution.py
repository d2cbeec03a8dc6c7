"""No jar is run whose SHA-256 is not the one that ships with the program."""

from __future__ import annotations

import hashlib

import pytest

from stream_app.kafka.broker import BrokerError, distribution, install


@pytest.fixture
def jars(tmp_path):
    folder = tmp_path / "kafka" / "jars"
    folder.mkdir(parents=True)
    for name in ("a.jar", "b.jar"):
        (folder / name).write_bytes(name.encode())
    return folder


def listed(*names):
    return "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names)


def test_known_jars_pass(jars):
    distribution.verify(jars, listed("a.jar", "b.jar"))


def test_a_changed_one_is_named(jars):
    (jars / "b.jar").write_bytes(b"other")
    with pytest.raises(BrokerError, match=r"b\.jar was changed.*Nothing was run"):
        distribution.verify(jars, listed("a.jar", "b.jar"))


def test_one_too_many_and_one_too_few_are_named(jars):
    with pytest.raises(BrokerError, match=r"b\.jar is not known"):
        distribution.verify(jars, listed("a.jar"))
    with pytest.raises(BrokerError, match=r"c\.jar is missing"):
        distribution.verify(jars, listed("a.jar", "b.jar", "c.jar"))


def test_a_changed_download_is_neither_run_nor_kept(tmp_path, monkeypatch):
    def download(folder):
        folder.mkdir(parents=True)
        (folder / "kafka_2.13-4.4.0.jar").write_bytes(b"evil")

    monkeypatch.setattr(distribution, "_download", download)
    monkeypatch.setattr(distribution, "_format", lambda _: pytest.fail("Java was run"))
    with pytest.raises(BrokerError, match=r"\.jar (was changed|is missing)"):
        install(tmp_path)
    assert not (tmp_path / f"kafka-{distribution.KAFKA_VERSION}").exists()


def test_a_cache_that_was_changed_is_not_used(tmp_path):
    home = tmp_path / f"kafka-{distribution.KAFKA_VERSION}" / "jars"
    home.mkdir(parents=True)
    (home / "evil.jar").write_bytes(b"evil")
    with pytest.raises(BrokerError, match="Nothing was run"):
        install(tmp_path)


@pytest.mark.kafka
def test_the_jars_of_this_version_are_the_known_ones(broker):
    assert broker.pid
    distribution.verify(install().jars[0].parent)
