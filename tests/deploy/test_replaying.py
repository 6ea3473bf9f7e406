"""`spondyl replay`: from the archive alone, from telemetry, from a file; equal and whole, or exit 1."""

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from history_rig import HistoryRig
from run_file import running
from servers import S3, eventually, free_port
from simulated_session import SESSION, simulated

from services.cli import main
from services.controller.recorder.blocks import checksum, column_from, differences
from services.kit.auth import tokens
from services.telemetry.archive.objects import read_directory
from services.telemetry.archive.stores import Credentials, open_store
from services.telemetry.exports.formats import FORMATS


def run(*arguments):
    """The command's exit status."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def replay(capsys, *arguments):
    """Exit status, the JSON object (None when refused) and stderr."""
    capsys.readouterr()
    status = run("replay", *arguments, "--json")
    written = capsys.readouterr()
    return status, json.loads(written.out) if written.out else None, written.err


@pytest.fixture
def recording(tmp_path):
    """A session's chunks as a gateway records them."""
    path = tmp_path / "session.jsonl"
    path.write_bytes(b"".join(payload + b"\n" for _, _, payload in simulated().blackbox))
    return path


def test_a_whole_recording_is_equal_and_exits_0(recording, capsys):
    """Scripts rely on the fields and on the exit status."""
    status, told, _ = replay(capsys, recording)
    assert (status, told["equal"], told["complete"], told["reason"]) == (0, True, True, None)
    assert (told["origin"], told["first_difference"]) == ("file", None)
    assert told["samples"] == told["commands_compared"] > 3000


def test_a_changed_command_is_named_and_exits_1(recording, capsys):
    """Its checksum made right again: only the kernel can tell."""
    lines = recording.read_bytes().splitlines()
    chunk = json.loads(lines[1])
    columns = {name: column_from(values) for name, values in chunk["columns"].items()}
    columns["velocity_ums"][77] += 1
    chunk["columns"] = {name: differences(column.astype("i4")).tolist() for name, column in columns.items()}
    chunk["crc32"] = checksum(columns)
    lines[1] = json.dumps(chunk).encode()
    recording.write_bytes(b"\n".join(lines) + b"\n")
    status, told, _ = replay(capsys, recording)
    assert (status, told["equal"], told["first_difference"]["row"]) == (1, False, "velocity_ums")
    assert told["first_difference"]["seq"] == chunk["seq"] + 77


@pytest.mark.requirement("replay")
def test_a_recording_cut_at_a_line_s_end_is_not_the_session_and_exits_1(recording, capsys):
    """Nothing in it is damaged, every command in it is equal, and yet the rest is missing."""
    recording.write_bytes(b"".join(recording.read_bytes().splitlines(keepends=True)[:3]))
    status, told, _ = replay(capsys, recording)
    assert (status, told["equal"], told["complete"]) == (1, True, False)
    assert "ends in precondition at seq 749, before the session ends" in told["reason"]
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(recording)])
    assert ended.value.code == 1
    assert "the rest is missing" in capsys.readouterr().out


def test_a_file_that_was_cut_and_a_place_with_nothing_in_it_say_what_to_do(recording, tmp_path, capsys):
    """A recording that cannot be trusted is not the only one of its session."""
    named = recording.rename(tmp_path / f"{SESSION}.jsonl")
    named.write_bytes(named.read_bytes()[:-50])
    status, told, err = replay(capsys, named)
    assert (status, told, "cut short" in err) == (1, None, True)
    assert f"`spondyl replay {SESSION}` looks for the session in the archive" in err
    (tmp_path / "nothing").mkdir()
    assert run("replay", tmp_path / "nothing") == 1
    assert "holds no recording (*.jsonl) and no object" in capsys.readouterr().err


def test_a_session_is_found_among_the_gateway_s_recordings(recording, tmp_path, capsys):
    """The panel shows an id, not a path."""
    place = tmp_path / "gateways" / "north" / "recordings" / f"{SESSION}.jsonl"
    place.parent.mkdir(parents=True)
    recording.rename(place)
    status, told, _ = replay(capsys, SESSION, "--data", tmp_path)
    assert (status, told["origin"], told["equal"]) == (0, "gateway", True)
    status, _, err = replay(capsys, UUID(int=4), "--data", tmp_path)
    assert (status, "has no recording" in err) == (1, True)
    status, _, err = replay(capsys, "nonsense", "--data", tmp_path)
    assert (status, "no such file, and not the id of a session" in err) == (1, True)
    assert not (tmp_path / "telemetry").exists(), "looking for an archive makes none"


@pytest.fixture
def archived(valkey, tmp_path):
    """A session in the archive of a system that does not run; its Redis is gone."""
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        rig.store("archived")
        assert rig.rig.hot_numbers("blackbox") == []
    valkey.kill()
    return tmp_path


@pytest.mark.requirement("replay")
@pytest.mark.system
def test_an_archived_session_is_replayed_from_the_archive_alone(archived, capsys):
    """No gateway, no Redis, no running system: ten years later."""
    status, told, _ = replay(capsys, SESSION, "--data", archived)
    assert (status, told["origin"], told["equal"], told["complete"]) == (0, "archive", True, True)
    assert told["samples"] == len(simulated(1.0, 500).samples) - 500


def _session_object(directory):
    for path in (directory / "telemetry" / "archive").rglob("*.spa"):
        found = read_directory(path.read_bytes())
        if found.session == SESSION:
            return path, found
    raise AssertionError("no object of the session")


@pytest.mark.system
def test_an_object_of_the_archive_is_replayed_as_a_file(archived, capsys):
    """A copy on a stick is a recording too."""
    path, _ = _session_object(archived)
    status, told, _ = replay(capsys, path)
    assert (status, told["origin"], told["equal"], told["complete"]) == (0, "object", True, True)


@pytest.mark.system
def test_an_object_of_the_middle_of_a_session_says_what_to_replay_instead(valkey, tmp_path, capsys):
    """A session that Redis had no room for lies in two objects: the second has no load to begin with."""
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        rig.store("half")
        rig.rig.turn()
        rig.rig.turn(after_s=3601)
        rig.rig.turn(after_s=3601)
        paths = [row.path for row in rig.rig.archive.index.all_objects()]
    capsys.readouterr()
    told = [replay(capsys, tmp_path / "telemetry" / "archive" / path) for path in paths]
    refused = [err for status, _, err in told if status and "holds no load" in err]
    assert any(f"all of it: `spondyl replay {SESSION}`" in err for err in refused), told


@pytest.mark.requirement("replay")
@pytest.mark.system
def test_one_flipped_bit_of_an_object_is_found_and_its_block_named(archived, capsys):
    """Bits rot in ten years: what is replayed is what was recorded, or nothing is."""
    path, directory = _session_object(archived)
    entry = next(block for block in directory.blocks if block.kind == "blackbox")
    data = bytearray(path.read_bytes())
    data[entry.offset + entry.length // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    for what in (SESSION, path):
        status, told, err = replay(capsys, what, "--data", archived)
        assert (status, told) == (1, None)
        assert path.name in err
        assert f"blackbox block {entry.first} to {entry.after}" in err
        assert err.count("\n") == 1


@pytest.mark.requirement("replay")
@pytest.mark.system
def test_an_export_of_the_black_box_is_replayed_and_one_of_samples_alone_says_what_it_lacks(archived, capsys):
    """Whoever takes a session elsewhere can show there what was done; a table of samples cannot."""
    told = {}
    for form in FORMATS:
        out = archived / f"session.{form}"
        assert run("export", SESSION, "--format", form, "--out", out, "--data", archived) == 0
        told[form] = replay(capsys, out)
    status, result, _ = told.pop("recording")
    assert (status, result["equal"], result["complete"], result["origin"]) == (0, True, True, "file")
    for form, (status, result, err) in told.items():
        assert (status, result) == (1, None), form
        assert "not all that the kernel was given; `spondyl export SESSION --format recording` does" in err


@pytest.mark.requirement("replay")
@pytest.mark.system
def test_an_exported_archive_of_one_session_is_replayed_from_its_load_on(valkey, tmp_path, capsys):
    """The patient was laid on the bed before the start: that part lies in the object of the idle time."""
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        rig.session = replace(rig.session, first=rig.session.first + 300)
        rig.store("archived")
        assert len(list(rig.rig.archive.index.all_objects())) > 1
    out = tmp_path / "exported"
    assert run("archive", "export", out, "--session", SESSION, "--data", tmp_path) == 0
    status, told, err = replay(capsys, out)
    assert (status, told["ok"], told["replayed"], told["refused"]) == (0, True, 1, []), err
    assert told["sessions"][0]["session"] == str(SESSION)


@pytest.mark.requirement("replay")
@pytest.mark.system
def test_an_archive_in_a_bucket_is_replayed_by_session_and_whole(archived, s3, monkeypatch, capsys):
    """The same bits, wherever the chain keeps its archive."""
    for name in ("access_key", "secret_key"):
        monkeypatch.setenv(f"SPONDYL_ARCHIVE_S3_{name.upper()}", getattr(s3, name))
    local = archived / "telemetry" / "archive"
    store = open_store(s3.url, Credentials(s3.access_key, s3.secret_key))
    paths = sorted(local.rglob("*.spa"))
    store.put_all({path.relative_to(local).as_posix(): path.read_bytes() for path in paths})
    for path in paths:
        path.unlink()
    monkeypatch.setenv("SPONDYL_ARCHIVE_URL", s3.url)
    status, told, err = replay(capsys, SESSION, "--data", archived)
    assert (status, told["origin"], told["equal"]) == (0, "archive", True), err
    status, told, err = replay(capsys, s3.url)
    assert (status, told["ok"], told["replayed"]) == (0, True, 1), err


@pytest.mark.system
def test_in_a_directory_everything_is_replayed_and_what_is_damaged_is_named(archived, recording, capsys):
    """One rotten object must not keep the others from being shown."""
    status, told, _ = replay(capsys, archived)
    assert (status, told["replayed"], told["differing"]) == (0, 2, 0)
    path, directory = _session_object(archived)
    data = bytearray(path.read_bytes())
    data[next(block for block in directory.blocks if block.kind == "blackbox").offset + 30] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    status, told, _ = replay(capsys, archived)
    assert (status, told["replayed"], told["ok"]) == (1, 1, False)
    assert path.name in told["refused"][0]["name"]
    status, told, _ = replay(capsys, archived / "telemetry" / "none-of-it")
    assert (status, told) == (1, None)


@pytest.fixture
def s3(tmp_path):
    """An S3 server that checks signatures."""
    with S3(tmp_path) as server:
        yield server


@pytest.fixture
def telemetry(valkey, tmp_path):
    """The API of a running system, and the rig that fills its stores."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "SPONDYL_DATA": str(tmp_path), "SPONDYL_REDIS_URL": valkey.url, "SPONDYL_HTTP_PORT": str(port),
    }  # fmt: skip
    tokens.ensure_keys(tmp_path)
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        command = [sys.executable, "-m", "services.telemetry"]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: _answers(address), 30, "telemetry's answer")
            running(tmp_path, address)
            yield rig
        finally:
            process.terminate()
            process.wait(10)


def _answers(address):
    try:
        return httpx.get(f"{address}/livez", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.system
def test_a_session_that_is_not_archived_yet_is_had_from_telemetry(telemetry, tmp_path, capsys):
    """Minutes after its end, with the gateway's recordings gone."""
    telemetry.store("hot")
    status, told, err = replay(capsys, SESSION, "--data", tmp_path)
    assert (status, told["origin"], told["complete"], told["running"]) == (0, "telemetry", True, False), err


@pytest.mark.system
def test_a_session_that_is_still_running_is_equal_so_far_and_says_so(telemetry, tmp_path, capsys):
    """What is there can be shown; that it is not all is no fault of the recording."""
    telemetry.store_beginning()
    status, told, err = replay(capsys, SESSION, "--data", tmp_path)
    assert (status, told["equal"], told["complete"], told["running"]) == (0, True, False, True), err
    assert "still running" in told["reason"]
