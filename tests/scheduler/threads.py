"""Several desks at the same moment."""

import threading


def at_once(works):
    """What each of them gives, begun at the same moment."""
    found, gate = [None] * len(works), threading.Barrier(len(works))

    def run(place, work):
        gate.wait(30)
        found[place] = work()

    threads = [threading.Thread(target=run, args=row) for row in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found
