"""The recorder's process: reads the sample ring, stores, announces, publishes, answers commands.

    python -m services.controller.recorder

Three lanes meet in one thread: *live* (state and alarms of the newest samples, never waits for a disk),
*stored* (blocks, black box and events into the spool, exactly once) and *drain* (spool to broker). The loop
never waits for any of them: this process may be killed at any moment.
"""

import signal

from services.controller.recorder.recorder import Recorder
from services.controller.settings import ControllerSettings
from services.kit import logging
from services.kit.errors import refusals_in_one_line


def main() -> None:
    """Run the recorder of the gateway that the environment describes."""
    with refusals_in_one_line():
        settings = ControllerSettings.load()
        logging.configure("recorder", settings.log_level, settings.log_format, settings.site)
        recorder = Recorder.open(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: recorder.stopping.set())
        recorder.run()


if __name__ == "__main__":
    main()
