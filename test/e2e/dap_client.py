"""A client of the Debug Adapter Protocol, as an editor is one; it suits any adapter.

An adapter is a program that speaks DAP on stdin and stdout: headers, an empty line, JSON.
"""
import json
import os
import re
import select
import subprocess
import time

from harness import DEADLINE_S, Failure, expect


class DapError(Failure):
    """The adapter refused a request; `reason` is its text."""

    def __init__(self, command, reason):
        super().__init__(f"{command}: {reason}")
        self.reason = reason


class DapClient:
    """One adapter process and its one session."""

    def __init__(self, lab, arguments, env=None):
        self.log_path = lab.folder / "adapter.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(a) for a in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, cwd=lab.folder, start_new_session=True,
                env={**os.environ, "LC_ALL": "C", "HOME": str(lab.folder), **(env or {})})
        lab.gdbs.append(self)
        self.data = b""
        self.sequence = 0
        self.responses = {}
        self.events = []  # those that nobody waited for yet
        self.console = ""  # all output events joined
        self.capabilities = {}

    # The wire

    def _write(self, message):
        self.sequence += 1
        body = json.dumps({"seq": self.sequence, **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()
        return self.sequence

    def _next_message(self):
        """One from what was read; None where it is not all there."""
        head, separator, rest = self.data.partition(b"\r\n\r\n")
        if not separator:
            return None
        length = int(re.search(rb"Content-Length: *(\d+)", head, re.I).group(1))
        if len(rest) < length:
            return None
        self.data = rest[length:]
        return json.loads(rest[:length])

    def _take(self, message):
        if message["type"] == "response":
            self.responses[message["request_seq"]] = message
        elif message["type"] == "event":
            if message["event"] == "output":
                self.console += message["body"].get("output", "")
            else:
                self.events.append(message)
        else:  # a request of the adapter's, such as runInTerminal: an editor may refuse
            self._write({"type": "response", "request_seq": message["seq"], "success": False,
                         "command": message["command"], "message": "not supported"})

    def _pump(self, what, condition, deadline_s):
        """Reads messages until the condition holds; returns its value."""
        end = time.monotonic() + deadline_s
        while True:
            value = condition()
            if value:
                return value
            message = self._next_message()
            if message:
                self._take(message)
                continue
            readable, _, _ = select.select([self.process.stdout], [], [],
                                           max(0, end - time.monotonic()))
            if not readable:
                raise Failure(f"waited {deadline_s} s in vain for {what}; {self.story()}")
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            if not part:
                raise Failure(f"the adapter ended before {what}; {self.story()}")
            self.data += part

    def story(self):
        """What a failure wants to be read with."""
        return (f"events {self.events[-5:]}, console {self.console[-1500:]!r}, "
                f"stderr {self.log_path.read_text(errors='replace')[-1500:]!r}")

    # Requests and events

    def send(self, command, **arguments):
        """Sends without waiting; the result is for `response`."""
        return self._write({"type": "request", "command": command, "arguments": arguments})

    def response(self, sequence, deadline_s=DEADLINE_S):
        """The body of an answer; a refusal is a DapError."""
        answer = self._pump(f"the answer to request {sequence}",
                            lambda: self.responses.pop(sequence, None), deadline_s)
        if not answer["success"]:
            error = (answer.get("body") or {}).get("error") or {}
            raise DapError(answer["command"],
                           error.get("format") or answer.get("message") or str(answer))
        return answer.get("body") or {}

    def request(self, command, deadline_s=DEADLINE_S, **arguments):
        return self.response(self.send(command, **arguments), deadline_s)

    def wait_event(self, name, deadline_s=DEADLINE_S):
        """The body of the next event of this name; earlier ones of other names stay."""
        def found():
            for index, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(index)
            return None
        return self._pump(f"event {name}", found, deadline_s).get("body") or {}

    def wait_console(self, pattern, deadline_s=DEADLINE_S):
        """A match in the output events; what lies before its end is not looked at again."""
        match = self._pump(f"{pattern!r} on the console",
                           lambda: re.search(pattern, self.console, re.M), deadline_s)
        self.console = self.console[match.end():]
        return match

    # What every editor does

    def initialize(self, adapter):
        self.capabilities = self.request(
            "initialize", adapterID=adapter, clientID="test", linesStartAt1=True,
            columnsStartAt1=True, pathFormat="path", supportsMemoryReferences=True,
            supportsRunInTerminalRequest=False)
        return self.capabilities

    def configure(self, request, configuration, breakpoints=()):
        """
        `launch` or `attach` with the configuration of a launch.json, and with it the
        requests of `breakpoints`: pairs of a command and its arguments. Returns the
        answers to these.
        """
        started = self.send(request, **configuration)
        self._pump("event initialized", lambda: started in self.responses or any(
            e["event"] == "initialized" for e in self.events), DEADLINE_S)
        if not self.responses.get(started, {"success": True})["success"]:
            self.response(started)  # its refusal says more
        self.wait_event("initialized")
        answers = [self.request(command, **arguments) for command, arguments in breakpoints]
        self.request("configurationDone")
        self.response(started)
        return answers

    def stopped(self, deadline_s=DEADLINE_S):
        """Waits until the target stops: why, where (thread)."""
        return self.wait_event("stopped", deadline_s)

    def frames(self, thread):
        return self.request("stackTrace", threadId=thread)["stackFrames"]

    def scope(self, frame, name):
        """The variables of one scope of a frame, by name."""
        scopes = self.request("scopes", frameId=frame["id"])["scopes"]
        found = [s for s in scopes if s["name"] == name]
        expect(found, f"a scope {name}, not only {[s['name'] for s in scopes]}")
        return self.variables(found[0]["variablesReference"])

    def variables(self, reference):
        answer = self.request("variables", variablesReference=reference)["variables"]
        return {v["name"]: v for v in answer}

    # The lab ends it as it ends a gdb

    def kill(self):
        self.process.kill()
        self.process.wait()

    def quit(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Failure(f"the adapter did not end; {self.story()}") from None
