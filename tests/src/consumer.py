"""Writes every message of a topic into a file, as a CloudEvent a line, as they come. None is dropped: who
reads the file sees what was sent again."""

import json
import sys

import pulsar

url, topic, path, life = sys.argv[1:5]
client = pulsar.Client(url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
consumer = client.subscribe(
    topic,
    "outside",
    consumer_type=pulsar.ConsumerType.Exclusive,
    initial_position=pulsar.InitialPosition.Earliest,
)
with open(path, "a", encoding="utf-8") as file:
    print("ready", flush=True)
    while True:
        message = consumer.receive()
        event = dict(message.properties(), data=json.loads(message.data()))
        # Who begins anew may be at a broker that gives the same ids to others.
        event["message"] = f"{life}/{message.message_id()}"
        file.write(json.dumps(event) + "\n")
        file.flush()
        consumer.acknowledge(message)
