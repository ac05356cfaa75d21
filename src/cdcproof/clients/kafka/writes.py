"""Writing to Kafka, for a restore alone: a topic that is not there, and records of a topic that is empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException, Message, Producer
from confluent_kafka.admin import NewTopic

from cdcproof.clients.kafka.dead_letters import Record
from cdcproof.clients.kafka.session import DEADLINE_SECONDS, Session, left
from cdcproof.core.errors import OperationError

_SETTINGS = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": 30_000}


class KafkaWriter(Session):
    """A Kafka cluster that is written to. Errors as `kafka_session.Session`, and `OperationError` for a record that is not taken."""

    def create_topic(self, topic: str, config: Mapping[str, str]) -> None:
        """Create a topic of one partition, on as many brokers as there are, three at most."""
        deadline = self._deadline()
        replicas = min(3, len(self._metadata(deadline).brokers))
        wanted = NewTopic(topic, num_partitions=1, replication_factor=replicas, config=dict(config))
        futures = self._call(lambda: self._client().create_topics([wanted], request_timeout=left(deadline)))
        self._result(futures[topic], deadline)

    def append(self, records: Iterable[Record]) -> int:
        """Append records in their order, each to its own partition; how many."""
        failures: list[str] = []

        def taken(error: object, _message: Message) -> None:
            if error is not None:
                failures.append(str(error))

        try:
            producer = Producer({**self._config, **_SETTINGS})
            count = 0
            for record in records:
                topic, partition = record.place
                headers = [(name, value.encode()) for name, value in record.headers.items()]
                producer.produce(
                    topic, record.value, record.key, partition=partition, headers=headers, on_delivery=taken
                )
                count += 1
            unsent = producer.flush(DEADLINE_SECONDS * 10)
        except KafkaException as error:
            raise self._ours(error) from None
        except BufferError:
            raise OperationError(f"Kafka at {self.bootstrap} takes the records too slowly.") from None
        if failures or unsent:
            raise OperationError(
                f"Kafka at {self.bootstrap} did not take {len(failures) + unsent} of {count} records: "
                f"{failures[0] if failures else 'no answer'}.",
                "Delete the topic, and restore again.",
            )
        return count
