"""A badly behaved bridge: every block is delivered twice, and out of order.

    python bad_bridge.py DATA SITE SEED SECONDS

Takes the blocks of one bed as the broker delivers them, and publishes with its gateway's own rights
- each of them twice more, in shuffled windows: nothing of it may be stored again;
- the same samples as a boot of their own, doubled and shuffled too: all of it must be stored once.
Prints that boot, and ends when the broker has taken everything.
"""

import json
import queue
import random
import sys
import time
from pathlib import Path
from uuid import UUID

import paho.mqtt.client as mqtt

WINDOW = 6  # messages shuffled together
ANSWER_S = 20.0


def connect(url: str, name: str, user: str, password: str) -> mqtt.Client:
    """A connected client with its network thread."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    client.username_pw_set(user, password)
    host, _, port = url.rpartition("//")[2].partition(":")
    client.connect(host, int(port))
    client.loop_start()
    return client


def shuffled_twice(messages: list[bytes], dice: random.Random) -> list[bytes]:
    """Every message twice, in any order within a window."""
    doubled = []
    for at in range(0, len(messages), WINDOW):
        window = messages[at : at + WINDOW] * 2
        dice.shuffle(window)
        doubled += window
    return doubled


def another_boot(messages: list[bytes], boot: UUID) -> list[bytes]:
    """The same samples as if another run of the loop had taken them, numbered from 0."""
    copies, first = [], 0
    for message in messages:
        block = json.loads(message)
        copies.append(json.dumps(block | {"boot": str(boot), "seq": first}).encode())
        first += len(block["tension_n"])
    return copies


def main() -> None:
    """Listen, then deliver badly."""
    data, site, seed, seconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    dice = random.Random(seed)  # noqa: S311  (a repeatable disorder, not a secret)
    run = json.loads((data / "run.json").read_text())
    device = run["sites"][site]["devices"][-1]
    topic = f"spondyl/v1/{site}/{device}/tension"
    heard: queue.Queue[bytes] = queue.Queue()
    listener = connect(run["mqtt"], "bad-bridge-in", run["mqtt_user"], run["mqtt_password"])
    listener.on_message = lambda _client, _userdata, message: heard.put(message.payload)
    listener.subscribe(topic, qos=1)
    rights = run["users"][run["sites"][site]["gateway"]]
    speaker = connect(run["mqtt"], "bad-bridge-out", rights["user"], rights["password"])

    boot, blocks, until = UUID(int=dice.getrandbits(128), version=4), [], time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 or not blocks:
        blocks.append(heard.get(timeout=max(left, ANSWER_S)))
    listener.disconnect()
    wrong = shuffled_twice(blocks, dice) + shuffled_twice(another_boot(blocks, boot), dice)
    for publication in [speaker.publish(topic, message, qos=1) for message in wrong]:
        publication.wait_for_publish(ANSWER_S)
        assert publication.is_published(), "the broker did not take a message"
    speaker.disconnect()
    print(boot)  # noqa: T201  (its answer)


if __name__ == "__main__":
    main()
