#!/usr/bin/env python3
"""What the conformance suite cannot see of the fixture, because it speaks one era at a time and not over stdio: both eras
on one pipe, cancellation, and the servers of one era alone.

    eras.py FIXTURE      print a line for each check that fails; exit code 1 where one did

Standard library only.
"""

import json
import queue
import subprocess
import sys
import threading

DEADLINE_S = 10
META = "io.modelcontextprotocol/"
STATELESS = "2026-07-28"
CAPABILITIES = {"sampling": {}, "elicitation": {}, "roots": {}}
ANSWERS = {
    "elicitation/create": {"action": "accept", "content": {"name": "Ada", "color": "red"}},
    "sampling/createMessage": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Hello"}},
    "roots/list": {"roots": [{"uri": "file:///here"}]},
}


class Fixture:
    """A fixture and what it wrote so far. Ids count up and never come twice."""

    def __init__(self, program, *flags):
        self.process = subprocess.Popen([program, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines, self.heard, self.count = queue.Queue(), [], 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def send(self, **message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, method, era, **params):
        """Sends a request of an era ("handshake", or the version that its `_meta` names) and gives its id."""
        self.count += 1
        if era != "handshake":
            own = {META + "protocolVersion": era, META + "clientCapabilities": CAPABILITIES}
            params["_meta"] = own | params.get("_meta", {})
        self.send(id=self.count, method=method, params=params)
        return self.count

    def until(self, wanted):
        """The first message from here on that is wanted; what comes before it is kept in `heard`."""
        while True:
            message = self.lines.get(timeout=DEADLINE_S)
            self.heard.append(message)
            if wanted(message):
                return message

    def ask(self, method, era, **params):
        """The answer to a request: a result, or an error's code as {"code": …, "message": …}."""
        id = self.start(method, era, **params)
        answer = self.until(lambda message: message.get("id") == id and "method" not in message)
        return answer.get("result") or answer.get("error")

    def initialize(self):
        own = {"capabilities": CAPABILITIES, "clientInfo": {"name": "eras", "version": "1"}}
        return self.ask("initialize", "handshake", protocolVersion="2025-11-25", **own)

    def told(self, kind):
        """The subscription, or None, of every notification of this kind that was heard, and forgets them."""
        found = [message for message in self.heard if message.get("method") == f"notifications/{kind}"]
        self.heard = [message for message in self.heard if message not in found]
        return [message["params"].get("_meta", {}).get(META + "subscriptionId") for message in found]


def both_eras_share_one_pipe_and_one_list(program):
    fixture = Fixture(program)
    assert fixture.initialize()["protocolVersion"] == "2025-11-25"
    assert fixture.ask("server/discover", STATELESS)["supportedVersions"] == [STATELESS]
    old, new = fixture.ask("tools/list", "handshake"), fixture.ask("tools/list", STATELESS)
    # What begins tasks is of one era alone; all else is in both, and in one order.
    assert new["tools"][: len(old["tools"])] == old["tools"]
    assert "slow_compute" in {tool["name"] for tool in new["tools"][len(old["tools"]) :]}
    assert "resultType" not in old and new["resultType"] == "complete"
    assert fixture.ask("tools/list", "2025-11-25")["code"] == -32022


def a_change_is_told_to_session_and_listeners_until_they_cancel(program):
    fixture = Fixture(program)
    fixture.initialize()
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["test://watched-resource"]}
    listener = fixture.start("subscriptions/listen", STATELESS, notifications=wanted)
    acknowledged = fixture.until(lambda message: "method" in message)
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"] == {"_meta": {META + "subscriptionId": listener}, "notifications": wanted}
    before = fixture.ask("tools/list", "handshake")
    fixture.ask("tools/call", "handshake", name="test_trigger_tool_change")
    fixture.ask("tools/call", STATELESS, name="test_trigger_prompt_change")
    fixture.ask("tools/call", STATELESS, name="test_trigger_resource_change")
    assert fixture.told("tools/list_changed") == [None, listener]
    assert fixture.told("prompts/list_changed") == [None]
    assert fixture.told("resources/updated") == [listener]
    assert fixture.ask("tools/list", STATELESS)["tools"] != before["tools"]
    fixture.send(method="notifications/cancelled", params={"requestId": listener})
    fixture.ask("tools/call", STATELESS, name="test_trigger_tool_change")
    assert fixture.told("tools/list_changed") == [None]


def a_cancelled_call_says_nothing_more(program):
    fixture = Fixture(program)
    meta = {"progressToken": "p"}
    cancelled = fixture.start("tools/call", STATELESS, name="test_tool_with_progress", _meta=meta)
    fixture.until(lambda message: message.get("method") == "notifications/progress")
    fixture.send(method="notifications/cancelled", params={"requestId": cancelled})
    fixture.ask("ping", "handshake")  # The cancellation was read.
    fixture.heard = []
    # This takes as long as the cancelled call did, and began after it.
    fixture.ask("tools/call", STATELESS, name="test_tool_with_progress")
    assert len(fixture.heard) == 1, fixture.heard


def a_call_logs_only_where_it_was_asked_to(program):
    fixture = Fixture(program)
    for level, lines in [(None, 0), ("info", 1), ("error", 0)]:
        meta = {META + "logLevel": level} if level else {}
        fixture.ask("tools/call", STATELESS, name="test_logging_tool", _meta=meta)
        assert len(fixture.told("message")) == lines, level
    assert fixture.ask("tools/list", STATELESS, _meta={META + "logLevel": "loud"})["code"] == -32602


def questions_of_a_round_come_at_once_and_rounds_one_by_one(program):
    for tool, rounds in [("multiple_inputs", [3]), ("multi_round", [1, 1])]:
        fixture = Fixture(program, "--handshake-only")
        fixture.initialize()
        call = fixture.start("tools/call", "handshake", name=f"test_input_required_result_{tool}")
        for count in rounds:
            asked = [fixture.until(lambda message: "method" in message) for _ in range(count)]
            for request in reversed(asked):
                fixture.send(id=request["id"], result=ANSWERS[request["method"]])
        result = fixture.until(lambda message: message.get("id") == call and "method" not in message)["result"]
        assert "isError" not in result and "Ada" in result["content"][0]["text"], result


def the_state_is_good_for_its_request_in_any_process(program):
    tool, other = "test_input_required_result_request_state", "test_input_required_result_tampered_state"
    asked = Fixture(program).ask("tools/call", STATELESS, name=tool)
    assert list(asked["inputRequests"]) == ["confirm"]
    brought = {"inputResponses": {"confirm": {"action": "accept"}}, "requestState": asked["requestState"]}
    fixture = Fixture(program)
    assert fixture.ask("tools/call", STATELESS, name=tool, **brought)["resultType"] == "complete"
    assert fixture.ask("tools/call", STATELESS, name=other, **brought)["code"] == -32602
    assert fixture.ask("tools/call", STATELESS, name=tool, arguments={"a": 1}, **brought)["code"] == -32602


def handshake_only_is_a_plain_server_of_that_era(program):
    fixture = Fixture(program, "--handshake-only")
    assert fixture.ask("server/discover", STATELESS)["code"] == -32602
    assert fixture.ask("tools/list", "handshake")["code"] == -32602
    fixture.initialize()
    assert fixture.ask("server/discover", STATELESS)["code"] == -32601
    assert "resultType" not in fixture.ask("tools/list", STATELESS)


def stateless_only_refuses_initialize_and_says_what_it_speaks(program):
    fixture = Fixture(program, "--stateless-only")
    refused = fixture.initialize()
    assert refused["code"] == -32602 and STATELESS in refused["message"], refused
    assert fixture.ask("server/discover", STATELESS)["resultType"] == "complete"


CHECKS = [
    both_eras_share_one_pipe_and_one_list,
    a_change_is_told_to_session_and_listeners_until_they_cancel,
    a_cancelled_call_says_nothing_more,
    a_call_logs_only_where_it_was_asked_to,
    questions_of_a_round_come_at_once_and_rounds_one_by_one,
    the_state_is_good_for_its_request_in_any_process,
    handshake_only_is_a_plain_server_of_that_era,
    stateless_only_refuses_initialize_and_says_what_it_speaks,
]

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    failed = 0
    for check in CHECKS:
        try:
            check(sys.argv[1])
        except (AssertionError, KeyError, queue.Empty, OSError) as error:
            failed += 1
            line = error.__traceback__.tb_next.tb_lineno if error.__traceback__.tb_next else 0
            print(f"  failing: {check.__name__.replace('_', ' ')}: line {line}: {error!r}")
    sys.exit(1 if failed else 0)
