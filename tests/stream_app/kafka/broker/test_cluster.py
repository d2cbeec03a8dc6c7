"""What distinguishes the brokers of a cluster from one another, and from one that is alone."""

from pathlib import Path

from stream_app.kafka.broker.cluster import LocalCluster
from stream_app.kafka.broker.local import Seat, _addresses, _name


def properties(text):
    return dict(line.split("=", 1) for line in text.splitlines() if line)


def test_each_has_a_number_and_ports_and_knows_all_controllers(tmp_path):
    cluster = LocalCluster(tmp_path)
    assert len({broker.port for broker in cluster.brokers.values()}) == 3
    assert cluster.bootstrap_servers.count(",") == 2
    said = [properties(_addresses(9000 + n, Path("/data"), seat=Seat(n, (1, 2, 3)))) for n in (1, 2, 3)]
    assert [each["node.id"] for each in said] == ["1", "2", "3"]
    assert {each["controller.quorum.voters"] for each in said} == {"1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3"}
    assert said[1]["listeners"] == "PLAINTEXT://127.0.0.1:9002,CONTROLLER://127.0.0.1:2"
    assert said[2]["broker.rack"] == "rack-3"
    assert (said[0]["default.replication.factor"], said[0]["min.insync.replicas"]) == ("3", "2")


def test_one_alone_keeps_one_copy():
    alone = properties(_addresses(9000, Path("/data")))
    assert alone["node.id"] == "1"
    assert not any("replica" in name or "rack" in name for name in alone)


def test_a_copied_storage_gets_a_number_and_an_id_of_its_own(tmp_path):
    meta = tmp_path / "meta.properties"
    ids = set()
    for node in (2, 3):
        meta.write_text("#\ncluster.id=c\ndirectory.id=Kkd883fGGYIAfwh3nNTnlw\nnode.id=1\nversion=1\n")
        _name(meta, node)
        said = properties(meta.read_text().replace("#\n", ""))
        assert said["node.id"] == str(node)
        assert (said["cluster.id"], said["version"]) == ("c", "1")
        assert len(said["directory.id"]) == 22
        ids.add(said["directory.id"])
    assert len(ids | {"Kkd883fGGYIAfwh3nNTnlw"}) == 3
