"""Writes every message of a topic into a file, as a CloudEvent a line, as they come. None is dropped: who
reads the file sees what was sent again."""

import json
import sys

import pulsar

url, topic, path = sys.argv[1:4]
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
        event["message"] = str(message.message_id())
        file.write(json.dumps(event) + "\n")
        file.flush()
        consumer.acknowledge(message)
