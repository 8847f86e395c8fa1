"""Sends into each partition what is none of ours: a batch of bytes that are no JSON, an event of another
cluster far ahead of all, one whose attributes make no sense, and nothing at all."""

import sys

import pulsar

url, *partitions = sys.argv[1:]
client = pulsar.Client(url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
event = {
    "specversion": "1.0",
    "id": "00000000-0000-5000-8000-000000000000",
    "source": "//elsewhere",
    "type": "io.bellwether.infrastructure.status.updated.v1",
    "subject": "svc:elsewhere",
    "incarnation": "1",
    "sequence": "1",
    "clusterid": "00000000-0000-4000-8000-000000000001",
    "clusterincarnation": "1",
    "offset": str(2**64 - 1),
    "sinkepoch": "99",
}
for number, partition in enumerate(partitions):
    producer = client.create_producer(partition, batching_enabled=True)
    for _ in range(3):
        producer.send_async(b"\xff\xfe no JSON", lambda *_: None)
    producer.flush()
    producer.send(b"{}", properties=dict(event, shard=str(number)))
    producer.send(b"{}", properties=dict(event, shard="none", offset="-1", sinkepoch=""))
    producer.send(b"")
    producer.close()
client.close()
print("sent", flush=True)
