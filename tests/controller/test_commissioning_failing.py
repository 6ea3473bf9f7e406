"""`spondyl bed check` where there is no drive, or something else: each case named, with what to do."""

import socket
import threading

import pytest
from servers import free_port

from services.controller.beds.addresses import drive_address
from services.controller.commissioning import failing
from services.controller.commissioning.line import Line
from services.kit.errors import SpondylError

ASKED = bytes.fromhex("0007 0000 0006 01 03 0000 0021")


def frame(number=7, unit=1, length=69, protocol=0):
    """The header of an answer and all that follows it."""
    head = b"".join(part.to_bytes(2, "big") for part in (number, protocol, length))
    return head + bytes([unit, 3]) + bytes(length - 2)


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (b"", "no answer to a Modbus request within 1 s: check the port (usually 502"),
        (b"HTTP/1.1 400 Bad Request\r\n", "a web server answers there"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "21 bytes that are no Modbus/TCP frame (53 53 48"),
        (frame(protocol=9), "75 bytes that are no Modbus/TCP frame"),
        (frame()[:37], "37 of 75 bytes of an answer within 1 s"),
        (frame()[:3], "3 of 6 bytes of an answer"),
        (frame(unit=3), "unit 3 answers where unit 1 was asked"),
        (frame(number=9), "the answer to request 9 where 7 was asked"),
        (frame(), "an answer of another function or form"),
    ],
)
def test_what_came_instead_of_an_answer_is_named(heard, said):
    """`No response received after 0 retries` sends nobody to the right cable, port or number."""
    exchange = failing.Exchange()
    exchange.packet(True, ASKED)
    for upto in range(len(heard) + 1):  # as a slow line brings it
        exchange.packet(False, heard[:upto])
    text = failing.of_answering(exchange, 1.0)
    assert text.startswith(said)
    assert ": " in text, "what to do"


@pytest.mark.parametrize("code", [*failing.EXCEPTIONS, 99])
def test_every_exception_is_told_with_its_name_and_what_to_do(code):
    """Its number alone is looked up in a standard that no clinic has."""
    text = failing.of_exception(code, 7)
    assert text.startswith(f"Modbus exception {code}, ")
    assert "{" not in text
    assert len(text.partition("): ")[2]) > 10


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "it refuses port {port}: nothing listens"),
        ("drive.invalid", "no machine is called"),
    ],
)
def test_an_address_without_a_drive_says_what_is_wrong_with_it(host, said):
    """A wrong port, a wrong name and a drive without power are mended by different people."""
    port = free_port()
    with pytest.raises(SpondylError) as refused, Line(drive_address(f"modbus://{host}:{port}?unit=1")):
        raise AssertionError("connected")
    assert f"cannot be reached: {said.format(port=port)}" in refused.value.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "ends the connection without an answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server answers"),
    ],
)
def test_a_server_that_is_no_drive_is_told_as_one(answer, said):
    """A camera, a printer or the drive's own web page at a mistyped address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(300)
                connection.sendall(answer)
                over.wait(10.0 if answer else 0.0)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                Line(drive_address(f"modbus://127.0.0.1:{listening.getsockname()[1]}?unit=1")) as line,
                pytest.raises(SpondylError, match=said),
            ):
                line.look()
        finally:
            over.set()
            thread.join()
