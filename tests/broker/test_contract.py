import contextlib
import functools
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry
from referencing.jsonschema import DRAFT7
from typer import Typer
from typer.testing import CliRunner

from broker import codec, commands, examples, messages, publish_contract
from broker.contract import CLINIC, COMMAND, EVENT, STREAMS, TENSION
from broker.schemas import schema_of, unit_of

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
EVERY = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


@pytest.fixture
def spondyl():
    """The `spondyl` command with only the broker's part."""
    root = Typer(pretty_exceptions_enable=False)
    root.callback()(lambda: None)
    commands.register(root)
    return lambda *arguments: CliRunner().invoke(root, [str(argument) for argument in arguments])


def test_the_committed_contract_is_what_the_table_says():
    """What integrators read must be what the system does; `contract check --write` brings it up to date."""
    assert publish_contract.drifted(REPOSITORY) == []


def test_a_drifted_a_missing_and_a_stray_file_are_told(tmp_path):
    """The check is only worth something if it finds each kind of drift."""
    publish_contract.write_committed(tmp_path)
    assert publish_contract.drifted(tmp_path) == []
    published = tmp_path / publish_contract.PUBLISHED
    (published / "acl").write_text("topic write #\n")
    (published / "schemas/tension.json").unlink()
    (published / "schemas/old.json").write_text("{}")
    told = publish_contract.drifted(tmp_path)
    assert [line.split(": ")[1] for line in sorted(told)] == [
        "differs from the contract", "is not of the contract any more", "is missing",
    ]  # fmt: skip


@EVERY
def test_every_schema_is_valid_and_takes_its_example(stream):
    """A schema that refuses our own messages, or is none, helps nobody."""
    schema = schema_of(stream)
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    example = json.loads(examples.EXAMPLES[stream.name].model_dump_json())
    validator.validate(example)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(example | {next(iter(schema["required"])): ["wrong"]})


@EVERY
def test_every_example_survives_the_wire(stream):
    """What goes out comes in as the same message."""
    example = examples.EXAMPLES[stream.name]
    assert codec.decode(stream, codec.encode(stream, example)) == example


@pytest.mark.parametrize("stretches", [[[2, 2]], [[2, 1]], [[0, 4]], [[1, 2], [2, 3]], [[1]], [[-1, 1]]])
def test_stretches_that_are_none_are_refused(stretches):
    """Whoever leaves them out of a curve must not leave out something else."""
    block = json.loads(examples.EXAMPLES["tension"].model_dump_json())
    good = json.dumps(block | {"unmeasured": {"tension_n": [[0, 1], [2, 3]]}}).encode()
    assert codec.decode(TENSION, good).unmeasured == {"tension_n": [[0, 1], [2, 3]]}
    with pytest.raises(codec.Malformed, match="unmeasured"):
        codec.decode(TENSION, json.dumps(block | {"unmeasured": {"tension_n": stretches}}).encode())


def test_asyncapi_is_valid_by_the_official_schema():
    """Others' generators must be able to read it (the schema of 3.0.0, without other protocols' bindings)."""
    official = json.loads((HERE / "asyncapi-3.0.0.json").read_text())
    document = yaml.safe_load(publish_contract.published()["asyncapi.yaml"])
    resources = [
        (part["$id"], DRAFT7.create_resource(part))
        for part in official["definitions"].values()
        if "$id" in part
    ]
    validator = jsonschema.Draft7Validator(official, registry=Registry().with_resources(resources))
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(document)] == []
    document["operations"]["sendTension"]["bindings"]["mqtt"]["qos"] = 3
    assert not validator.is_valid(document)


@functools.cache
def published():
    """Everything that is published, and the document of it; nobody changes this one."""
    files = publish_contract.published()
    return files, yaml.load(files["asyncapi.yaml"], yaml.CSafeLoader)


@EVERY
def test_asyncapi_says_what_the_table_says(stream):
    """QoS, retain and expiry of a generated client come from here."""
    files, document = published()
    binding = document["operations"][f"send{stream.name.capitalize()}"]["bindings"]["mqtt"]
    assert (binding["qos"], binding["retain"]) == (stream.qos, stream.retain)
    assert binding.get("messageExpiryInterval") == stream.expiry_s
    message = document["components"]["messages"][stream.name]
    assert message["payload"]["$ref"].removeprefix("./") in files
    assert message["contentType"] == message["bindings"]["mqtt"]["contentType"] == "application/json"


def test_the_table_keeps_its_own_rules():
    """What is asked expires, records never do; what a gateway must not lose is durable, not retained."""
    for stream in STREAMS.values():
        assert stream.producers, stream.name
        assert stream.consumers, stream.name
        assert "integrator" not in stream.producers
        assert (stream.expiry_s is not None) == (stream.name in ("command", "reply", "missing"))
        assert not (stream.durable and stream.retain)
        assert stream.max_bytes <= 524_288
        assert (stream.scope == "clinic") == (stream.message is messages.ClinicEvent)
    assert CLINIC not in STREAMS


def test_every_field_with_a_unit_in_its_name_carries_it():
    """A number without its unit has hurt people before."""
    assert unit_of("peak_n") == "N"
    assert unit_of("hold_rms_n") == "N"
    assert unit_of("traction_s") == "s"
    assert unit_of("session_no") is None
    assert schema_of(TENSION)["properties"]["period_ms"]["x-unit"] == "ms"


def test_the_topics_page_names_every_stream_field_and_unit():
    """The page is the contract for people: nothing may be missing from it."""
    page = (REPOSITORY / publish_contract.TOPICS_PAGE).read_text()
    for stream in STREAMS.values():
        section = page.split(f"\n## {stream.name}\n")[1].split("\n## ")[0]
        for field in stream.message.model_fields:
            assert f"| `{field}`" in section


def test_export_writes_all_and_says_so(spondyl, tmp_path):
    """`spondyl contract export DIR` is what integrators run."""
    done = spondyl("contract", "export", tmp_path / "new" / "dir", "--json")
    assert done.exit_code == 0
    files = json.loads(done.stdout)["files"]
    assert {"asyncapi.yaml", "acl", "topics.md", "schemas/tension.json"} <= set(files)
    assert json.loads((tmp_path / "new/dir/schemas/tension.json").read_text())["title"] == "TensionBlock"


def test_export_into_a_file_is_one_clear_line(spondyl, tmp_path):
    """No trace back for a typing mistake."""
    (tmp_path / "file").write_text("")
    done = spondyl("contract", "export", tmp_path / "file")
    assert done.exit_code == 1
    assert done.stderr.startswith("spondyl: cannot write")
    assert len(done.stderr.splitlines()) == 1


def test_check_says_that_all_is_well(spondyl):
    """`spondyl contract check` is what CI runs."""
    done = spondyl("contract", "check", "--json")
    assert json.loads(done.stdout) == {"ok": True, "drifted": []}


@given(
    seq=st.integers(0, 2**53 - 1),
    samples=st.lists(
        st.tuples(*[st.floats(-2000, 2000, allow_nan=False)] * 4, st.sampled_from(["hold", "rest"])),
        min_size=1,
        max_size=50,
    ),
)
def test_any_block_survives_the_wire_exactly(seq, samples):
    """Not a digit may change between the loop and the archive."""
    tension, target, position, residual, phase = (list(column) for column in zip(*samples, strict=True))
    block = examples.EXAMPLES["tension"].model_copy(
        update={
            "seq": seq,
            "tension_n": tension,
            "target_n": target,
            "position_mm": position,
            "residual_n": residual,
            "phase": phase,
        }
    )
    assert codec.decode(TENSION, codec.encode(TENSION, block)) == block


FREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(data=st.dictionaries(st.text(), FREE, max_size=4))
def test_free_data_goes_through_unchanged_or_not_at_all(data):
    """Where a message carries data of any shape, it is still finite, shallow, 64-bit JSON."""
    event = examples.EXAMPLES["event"].model_copy(update={"data": data})
    try:
        payload = codec.encode(EVENT, event)
    except codec.Malformed:
        return
    assert b"NaN" not in payload
    json.loads(payload, parse_constant=lambda name: pytest.fail(f"{name} on the wire"))
    assert codec.decode(EVENT, payload) == event


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_malformed(payload):
    """Decoding ends in a message or in Malformed, whatever a foreign client sends."""
    for stream in (TENSION, COMMAND, EVENT):
        with pytest.raises(codec.Malformed):
            codec.decode(stream, payload)


@EVERY
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_has_no_date_on_some_readers_clock_is_refused(stream, at):
    """One retained alarm of the year 1 stopped every round of the console's wall, for all sites."""
    payload = codec.encode(stream, examples.EXAMPLES[stream.name])
    odd, count = re.subn(rb"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-][0-9:]+)", at.encode(), payload)
    with pytest.raises(codec.Malformed, match="a time of the year") if count else contextlib.nullcontext():
        codec.decode(stream, odd)


@pytest.mark.parametrize("period_ms", [5e-324, 0.009, 60_001.0, 1e300])
def test_a_period_that_nothing_can_be_reckoned_with_is_refused(period_ms):
    """A bed's age became no number, and the wall stood still."""
    block = examples.EXAMPLES["tension"].model_copy(update={"period_ms": period_ms})
    with pytest.raises(codec.Malformed, match="period_ms"):
        codec.decode(TENSION, block.model_dump_json().encode())


def test_a_refusal_never_repeats_the_payload():
    """A log is no place for what might be somebody's name."""
    secret = b'{"id": "Erika Mustermann", "action": {"name": "Erika Mustermann"}}'
    with pytest.raises(codec.Malformed) as refused:
        codec.decode(COMMAND, secret)
    assert "Mustermann" not in str(refused.value)


def test_lists_of_different_length_are_refused():
    """A block whose columns do not fit together would shift every sample behind it."""
    block = json.loads(examples.EXAMPLES["tension"].model_dump_json())
    block["phase"].pop()
    with pytest.raises(codec.Malformed, match="differ in length"):
        codec.decode(TENSION, json.dumps(block).encode())
