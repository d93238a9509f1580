# A receiver of dialnote webhooks that needs nothing but Python 3.8 or later:
#
#   DIALNOTE_WEBHOOK_SECRET=whsec_… PORT=3000 python3 receiver.py
import base64
import hashlib
import hmac
import json
import os
import queue
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds that a request's time may be off
LIMIT = 1 << 20  # bytes that a body may have; ours have less


# X-DialNote-Signature: keyed by the whole secret, whsec_ included, and made of
# the body's bytes.
def verify_dialnote(secret, body, signature):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return same_text(signature, "sha256=" + digest)


# Standard Webhooks: keyed by the bytes behind whsec_, and made of id, time and
# body. `signatures` may list several, one of which must match. `now` is in Unix
# seconds.
def verify_standard(secret, body, id, timestamp, signatures, now=None):
    now = time.time() if now is None else now
    if not re.fullmatch("[0-9]{1,12}", timestamp or "") or abs(now - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret[len("whsec_"):])
    signed = f"{id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any([same_text(signature, expected) for signature in (signatures or "").split(" ")])


# Takes as long whatever is different, so that nobody can guess a signature
# letter by letter.
def same_text(given, expected):
    return hmac.compare_digest((given or "").encode(), expected.encode())


# --- The receiver ---

SECRET = os.environ.get("DIALNOTE_WEBHOOK_SECRET", "")
seen = set()  # in production: a table with the event's id as its key
waiting = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch("[0-9]{1,7}", length) or int(length) > LIMIT:
            self.close_connection = True  # what follows is not read
            self.send_response(413)
            self.end_headers()
            return
        body = self.rfile.read(int(length))  # the bytes, before anything parses them
        id = self.headers.get("webhook-id")
        timestamp, signatures = self.headers.get("webhook-timestamp"), self.headers.get("webhook-signature")
        verified = verify_standard(SECRET, body, id, timestamp, signatures)
        if verified and id not in seen:
            seen.add(id)
            waiting.put(json.loads(body))
        self.send_response(204 if verified else 401)  # answer at once: the work can take its time
        self.end_headers()

    def log_message(self, *_):
        pass


def work():
    while True:
        event = waiting.get()
        print(event["type"], event["id"], flush=True)


if __name__ == "__main__":
    if not SECRET:
        raise SystemExit("set DIALNOTE_WEBHOOK_SECRET: without it every sender could sign")
    threading.Thread(target=work, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Receiver).serve_forever()
