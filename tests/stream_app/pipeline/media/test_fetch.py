"""The fetcher against a hostile host on loopback: every trick costs one image, none costs a post."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp.abc import AbstractResolver

from stream_app.pipeline.media.fetch import retry_after_s
from stream_app.pipeline.media.hosts import ADDRESS_STRIKES
from stream_app.pipeline.posts.post import MediaLink


class Answers(AbstractResolver):
    """A name server of the test's own: each name's answers, one after the other, the last one for ever.

    An answer is one address or several, with spaces between.
    """

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        given = self.answers[host]
        addresses = given.pop(0) if len(given) > 1 else given[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in addresses.split()
        ]

    async def close(self):
        pass


async def fetch_one(fetcher, url):
    (outcome,) = await fetcher.fetch([MediaLink(url=url)])
    assert outcome.url == url
    assert outcome.reason is None or (len(outcome.reason) < 200 and "\n" not in outcome.reason)
    assert (outcome.image is not None) is (outcome.status == "used") is (outcome.reason is None)
    return outcome


async def test_a_photo_is_used(host, fetcher_of):
    outcome = await fetch_one(await fetcher_of(), host.url("photo"))
    assert outcome.status == "used"
    assert outcome.image.shape == (32, 32, 3)
    assert (outcome.content_type, outcome.width, outcome.height) == ("image/jpeg", 320, 200)
    assert outcome.size_bytes == len(host.photo)
    assert len(outcome.sha256) == 64
    assert len(outcome.perceptual_hash) == 16
    assert outcome.elapsed_ms > 0


async def test_the_request_gives_nothing_away(host, fetcher_of):
    await fetch_one(await fetcher_of(), host.url("photo"))
    assert host.headers["Host"] == f"127.0.0.1:{host.port}"
    assert host.headers["User-Agent"].startswith("crisis-stream/")
    assert host.headers["Accept-Encoding"] == "identity"
    assert not {"Referer", "Cookie", "Authorization"} & set(host.headers)


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("html", "unsupported", "not a JPEG"),
        ("svg", "unsupported", "not a JPEG"),
        ("gif", "unsupported", "not a JPEG"),
        ("empty", "unsupported", "not a JPEG"),
        ("gzip", "unsupported", "compressed"),
        ("missing", "failed", "404"),
        ("cut", "failed", "broken"),
        ("drop", "failed", "could not be read"),
        ("announces-more", "failed", "could not be read"),
        ("announces-less", "failed", "could not be read"),
        ("announces-much", "too_large", "announced more than 8,388,608 bytes"),
        ("endless", "too_large", "more than 8,388,608 bytes"),
        ("silent", "late", "not here within 1 s"),
        ("drip", "late", "not here within 1 s"),
        ("loop", "refused", "more than 3 redirects"),
        ("nowhere", "failed", "leads nowhere"),
    ],
)
async def test_a_bad_answer_has_its_plain_reason(host, fetcher_of, path, status, reason):
    outcome = await fetch_one(await fetcher_of(), host.url(path))
    assert outcome.status == status
    assert reason in outcome.reason


async def test_what_the_host_calls_it_decides_nothing(host, fetcher_of):
    assert (await fetch_one(await fetcher_of(), host.url("mislabelled"))).content_type == "image/jpeg"


async def test_the_total_time_of_a_fetch_is_limited_though_posts_would_wait(host, fetcher_of):
    fetcher = await fetcher_of(deadline_s=10.0, total_timeout_s=0.3)
    outcome = await fetch_one(fetcher, host.url("drip"))
    assert (outcome.status, outcome.reason) == ("late", "it took more than 0.3 s")


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/photo",
        "http://[::1]:{port}/photo",
        "http://10.0.0.1:{port}/",
        "http://169.254.169.254:{port}/",
    ],
)
async def test_a_redirect_to_a_private_address_is_refused(host, fetcher_of, target):
    outcome = await fetch_one(await fetcher_of(), host.url("to?" + target.format(port=host.port)))
    assert outcome.status == "refused"
    assert "RFC" in outcome.reason
    assert host.hits == {"to": 1}


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://127.0.0.1:22/", "http://u:p@127.0.0.1:{port}/photo"])
async def test_a_redirect_is_checked_like_a_first_address(host, fetcher_of, target):
    outcome = await fetch_one(await fetcher_of(), host.url("to?" + target.format(port=host.port)))
    assert outcome.status == "refused"
    assert host.hits == {"to": 1}


async def test_an_ordinary_redirect_is_followed(host, fetcher_of):
    assert (await fetch_one(await fetcher_of(), host.url("to?/photo"))).status == "used"
    assert (await fetch_one(await fetcher_of(max_redirects=0), host.url("to?/photo"))).status == "refused"


@pytest.mark.parametrize(
    "spelled",
    [
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.0.0.2",
        "0x7f000002",
        "[::ffff:127.0.0.2]",
        "127。0。0。2",
        "①②⑦.⓪.⓪.②",
        "127.0.0.2.",
        "0",
        "[::]",
        "[::127.0.0.2]",
        "[fe80::1%25lo]",
        "[64:ff9b:1::7f00:2]",
    ],
)
async def test_however_a_private_address_is_spelled_it_is_refused(host, fetcher_of, spelled):
    outcome = await fetch_one(await fetcher_of(), host.url("photo", host=spelled))
    assert outcome.status == "refused"
    assert not host.hits


async def test_a_name_is_judged_by_what_it_resolves_to(host, fetcher_of):
    resolver = Answers(inside_example=["10.1.2.3"], metadata_example=["169.254.169.254"], near_example=["127.0.0.1"])
    fetcher = await fetcher_of(resolver=resolver)
    assert (
        "10.1.2.3, a private address (RFC 1918)" in (await fetch_one(fetcher, host.url("a", "inside.example"))).reason
    )
    assert (await fetch_one(fetcher, host.url("a", "metadata.example"))).status == "refused"
    assert (await fetch_one(fetcher, host.url("photo", "near.example"))).status == "used"


@pytest.mark.parametrize(
    ("addresses", "reason"),
    [
        ("10.0.0.1 10.0.0.2", "the host is at 10.0.0.2, a private address (RFC 1918)"),
        ("10.0.0.1 fd00::1", "the host is at fd00::1, a unique local address (RFC 4193)"),
        ("fe80::1%1", "the host is at fe80::1%1, a link-local address (RFC 4291)"),
        ("::ffff:10.0.0.1%1", "the host is at ::ffff:10.0.0.1%1, a private address (RFC 1918)"),
    ],
)
async def test_a_name_with_several_addresses_is_refused_in_one_sentence(host, fetcher_of, addresses, reason):
    outcome = await fetch_one(
        await fetcher_of(resolver=Answers(many_example=[addresses])), host.url("a", "many.example")
    )
    assert (outcome.status, outcome.reason) == ("refused", reason)


async def test_of_a_names_addresses_only_the_public_ones_are_dialled(host, fetcher_of, monkeypatch):
    dialled = []

    async def spy(_, address):
        dialled.append(address[0])
        raise ConnectionRefusedError(111, "this test dials nobody")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", spy)
    resolver = Answers(mixed_example=["10.0.0.1 93.184.216.34 fd00::1 169.254.169.254"])
    outcome = await fetch_one(await fetcher_of(resolver=resolver), host.url("a", "mixed.example"))
    assert outcome.image is None
    assert set(dialled) == {"93.184.216.34"}


async def test_rebinding_gains_nothing(host, fetcher_of, monkeypatch):
    # The name is allowed when first asked and private when asked again. The address dialled is the address judged.
    resolver = Answers(rebind_example=["127.0.0.1", "10.0.0.1"])
    fetcher = await fetcher_of(resolver=resolver, cached_images=0)
    fetcher._session.connector._use_dns_cache = False
    dialled = []
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def spy(sock, address):
        dialled.append(address[0])
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", spy)
    first = await fetch_one(fetcher, host.url("photo/1", "rebind.example"))
    fetcher._session.connector._conns.clear()  # no kept connection: the second must dial
    second = await fetch_one(fetcher, host.url("photo/2", "rebind.example"))
    assert (first.status, second.status) == ("used", "refused")
    assert resolver.asked == ["rebind.example"] * 2
    assert dialled == ["127.0.0.1"]


async def test_a_name_that_does_not_resolve_is_a_failure(host, fetcher_of):
    class Nowhere(Answers):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            raise OSError(None, "no such name")

    assert (await fetch_one(await fetcher_of(resolver=Nowhere()), host.url("a", "no.example"))).status == "failed"


async def test_an_image_many_posts_show_is_fetched_once(host, fetcher_of):
    fetcher = await fetcher_of()
    link = MediaLink(url=host.url("photo"))
    together = await asyncio.gather(*(fetcher.fetch([link, link]) for _ in range(20)))
    later = await fetcher.fetch([link])
    assert {each.status for post in [*together, later] for each in post} == {"used"}
    assert host.hits["photo"] == 1


async def test_the_cache_is_bounded_and_forgets_the_oldest(host, fetcher_of):
    fetcher = await fetcher_of(cached_images=2)
    for name in "abca":
        await fetch_one(fetcher, host.url(f"photo/{name}"))
    assert host.hits["photo/a"] == 2
    assert len(fetcher._known) == 2


async def test_a_passing_failure_is_tried_again(host, fetcher_of):
    fetcher = await fetcher_of()
    for _ in range(2):
        await fetch_one(fetcher, host.url("missing"))
        await fetch_one(fetcher, host.url("html"))
    assert host.hits == {"missing": 2, "html": 1}


async def test_images_beyond_the_limit_are_skipped_in_order(host, fetcher_of):
    fetcher = await fetcher_of(max_images=2)
    links = [MediaLink(url=host.url(path)) for path in ("photo/1", "missing", "photo/2", "photo/3")]
    outcomes = await fetcher.fetch(links)
    assert [each.status for each in outcomes] == ["used", "failed", "skipped", "skipped"]
    assert [each.url for each in outcomes] == [link.url for link in links]
    assert outcomes[2].reason == "only 2 images of a post are used"


async def test_a_post_without_images_waits_for_nothing(fetcher_of):
    assert await (await fetcher_of()).fetch([]) == ()


async def test_a_slow_host_delays_no_other(host, fetcher_of):
    resolver = Answers(slow_example=["127.0.0.1"], quick_example=["127.0.0.1"])
    fetcher = await fetcher_of(resolver=resolver, per_host=2, concurrency=4, deadline_s=60.0)
    slow = [asyncio.create_task(fetch_one(fetcher, host.url(f"silent/{n}", "slow.example"))) for n in range(30)]
    await asyncio.sleep(0.1)
    quick = await asyncio.gather(*(fetch_one(fetcher, host.url(f"photo/{n}", "quick.example")) for n in range(10)))
    assert {each.status for each in quick} == {"used"}
    assert not any(each.done() for each in slow)  # these are still waiting
    host.release.set()
    assert {each.status for each in await asyncio.gather(*slow)} == {"unsupported"}


def never_late(began):
    """On a busy machine a host would be excused: what we may have been late to hear is not its fault."""
    return 0.0


async def test_a_host_that_keeps_us_waiting_is_skipped_at_once(host, fetcher_of):
    fetcher = await fetcher_of(deadline_s=0.2)
    fetcher._hosts._our_lateness = never_late
    first = [(await fetch_one(fetcher, host.url(f"silent/{n}"))).status for n in range(3)]
    outcome = await fetch_one(fetcher, host.url("photo"))
    assert first == ["late"] * 3
    assert outcome.status == "skipped"
    assert "3 times" in outcome.reason
    assert not host.hits["photo"]


async def test_a_redirect_to_a_slow_host_is_not_held_against_the_one_that_redirects(host, fetcher_of):
    resolver = Answers(short_example=["127.0.0.1"], slow_example=["127.0.0.1"])
    fetcher = await fetcher_of(resolver=resolver, deadline_s=0.2)
    for n in range(4):
        await fetch_one(fetcher, host.url(f"to?{host.url(f'silent/{n}', 'slow.example')}", "short.example"))
    link = MediaLink(url=host.url("to?" + host.url("photo"), "short.example"))
    (outcome,) = await fetcher.fetch([link], time.monotonic() + 60)  # on a busy machine it takes more than .2 s
    assert outcome.status == "used"


async def test_nothing_runs_that_no_post_waits_for(host, fetcher_of):
    fetcher = await fetcher_of(deadline_s=0.1)
    assert (await fetch_one(fetcher, host.url("silent"))).status == "late"
    assert not fetcher._under_way
    waiting = asyncio.create_task(fetcher.fetch([MediaLink(url=host.url("silent/2"))]))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(30):
        while fetcher._under_way or fetcher._session.connector._acquired:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)


async def test_a_later_post_still_gets_what_an_earlier_one_gave_up_on(host, fetcher_of):
    fetcher = await fetcher_of(deadline_s=0.4)
    url = host.url("silent")
    early = asyncio.create_task(fetch_one(fetcher, url))
    await asyncio.sleep(0.2)
    late = asyncio.create_task(fetcher.fetch([MediaLink(url=url)], time.monotonic() + 60))
    assert (await early).status == "late"
    assert not late.done()
    host.release.set()
    assert [each.status for each in await late] == ["unsupported"]
    assert host.hits["silent"] == 1


async def test_a_broken_prepare_costs_one_image(host, fetcher_of):
    def broken(image):
        raise MemoryError("too much")

    outcome = await fetch_one(await fetcher_of(prepare=broken), host.url("photo"))
    assert outcome.status == "failed"


async def test_closing_ends_what_is_under_way(host, fetcher_of, settings):
    fetcher = await fetcher_of(deadline_s=60.0)
    waiting = asyncio.create_task(fetch_one(fetcher, host.url("silent")))
    await asyncio.sleep(0.1)
    await fetcher.__aexit__(None, None, None)
    assert (await asyncio.wait_for(waiting, 30)).status == "late"


async def test_the_deadline_runs_from_when_the_post_arrived(host, fetcher_of):
    fetcher = await fetcher_of(deadline_s=30.0)
    (outcome,) = await fetcher.fetch([MediaLink(url=host.url("silent"))], time.monotonic() - 29.8)
    assert outcome.status == "late"


async def test_hosts_that_dawdle_hold_up_no_other_hosts_photo(host, fetcher_of):
    """One answer is read at a time here, and many are waited for."""
    fetcher = await fetcher_of(concurrency=1, deadline_s=30.0)
    waiting = [asyncio.create_task(fetcher.fetch([MediaLink(url=host.url(f"silent/{n}"))])) for n in range(10)]
    await asyncio.sleep(0.2)
    (outcome,) = await fetcher.fetch([MediaLink(url=host.url("photo"))])
    assert outcome.status == "used"
    host.release.set()
    await asyncio.gather(*waiting)


async def test_a_host_that_says_when_to_come_back_is_not_asked_before(host, fetcher_of):
    fetcher = await fetcher_of()
    first = await fetcher.fetch([MediaLink(url=host.url("busy"))])
    second = await fetcher.fetch([MediaLink(url=host.url("photo"))])
    assert (first[0].status, second[0].status) == ("failed", "skipped")
    assert "left alone" in second[0].reason
    assert host.hits == {"busy": 1}


async def test_an_address_that_is_late_again_and_again_is_skipped_under_a_new_name(host, fetcher_of):
    names = [f"example{n}.com" for n in range(ADDRESS_STRIKES)]
    resolver = Answers(**{name: ["127.0.0.1"] for name in [*names, "fresh.example.org"]})
    fetcher = await fetcher_of(resolver=resolver, deadline_s=0.1)
    fetcher._hosts._our_lateness = never_late
    late = [MediaLink(url=host.url("silent", name)) for name in names]
    assert {(await fetcher.fetch([link]))[0].status for link in late} == {"late"}
    (outcome,) = await fetcher.fetch([MediaLink(url=host.url("photo", "fresh.example.org"))])
    assert outcome.status == "skipped"
    assert "127.0.0.1 did not answer in time 6 times" in outcome.reason


@pytest.mark.parametrize(("said", "seconds"), [("120", 120.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-5", None)])
def test_retry_after_is_seconds(said, seconds):
    assert retry_after_s(said) == seconds


def test_retry_after_is_a_date():
    soon = retry_after_s(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert 85 < soon <= 90
