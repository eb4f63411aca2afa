"""A client that speaks bare packets: where a test wants what gdb never sends."""
import re
import select
import socket
import time


def frame(packet):
    return b"$" + packet + b"#%02x" % (sum(packet) & 255)


def expand(reply):
    """Undoes run-length encoding."""
    out = bytearray()
    i = 0
    while i < len(reply):
        if reply[i] == ord("*") and out:
            out += out[-1:] * (reply[i + 1] - 29)
            i += 2
        else:
            out.append(reply[i])
            i += 1
    return bytes(out)


class Client:
    def __init__(self, endpoint):
        host, _, port = endpoint.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def close(self):
        self.socket.close()

    def send(self, packet):
        self.socket.sendall(frame(packet))

    def reply(self, deadline_s=30):
        """The next packet that is no console output; acks and keep-alives are skipped."""
        end = time.monotonic() + deadline_s
        while True:
            match = re.search(rb"\$([^#]*)#..", self.data)
            if match:
                self.data = self.data[match.end():]
                if not match.group(1).startswith(b"O") or match.group(1) == b"OK":
                    return match.group(1)
                self.console = getattr(self, "console", b"") + bytes.fromhex(
                    expand(match.group(1))[1:].decode())
                continue
            if not select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"no reply in {deadline_s} s, only {self.data!r}")
            part = self.socket.recv(1 << 20)
            if not part:
                raise ConnectionError("closed")
            self.data += part

    def ask(self, packet, deadline_s=30):
        self.send(packet)
        return self.reply(deadline_s)

    def start(self):
        """As gdb begins: features, no acknowledgements, the first stop."""
        self.ask(b"qSupported:multiprocess+;swbreak+;hwbreak+;QThreadEvents+")
        self.ask(b"QStartNoAckMode")
        self.socket.sendall(b"+")
        return self.ask(b"?")

    def monitor(self, command):
        self.console = b""
        reply = self.ask(b"qRcmd," + command.encode().hex().encode())
        if reply not in (b"OK", b"") and not reply.startswith(b"E"):
            self.console += bytes.fromhex(expand(reply).decode())
        return self.console.decode(errors="replace")

    def exchanges(self):
        return int(re.search(r"^exchanges (\d+)$", self.monitor("stats"), re.M).group(1))
