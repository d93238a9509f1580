// A receiver of dialnote webhooks that needs nothing but Node 18 or later:
//
//   DIALNOTE_WEBHOOK_SECRET=whsec_… PORT=3000 node receiver.js
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');

const TOLERANCE = 300; // seconds that a request's time may be off
const LIMIT = 1 << 20; // bytes that a body may have; ours have less

// X-DialNote-Signature: keyed by the whole secret, whsec_ included, and made of
// the body's bytes. `body` is a Buffer.
function verifyDialNote(secret, body, signature) {
  const expected = 'sha256=' + crypto.createHmac('sha256', secret).update(body).digest('hex');
  return sameText(signature, expected);
}

// Standard Webhooks: keyed by the bytes behind whsec_, and made of id, time and
// body. `signatures` may list several, one of which must match. `now` is in
// Unix seconds.
function verifyStandard(secret, body, id, timestamp, signatures, now = Date.now() / 1000) {
  if (!/^[0-9]{1,12}$/.test(timestamp ?? '') || Math.abs(now - Number(timestamp)) > TOLERANCE) {
    return false;
  }
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = 'v1,' + crypto.createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
  return (signatures ?? '').split(' ').some((signature) => sameText(signature, expected));
}

// The time does not depend on where the texts differ, so that a signature cannot be
// guessed letter by letter.
function sameText(given, expected) {
  const a = Buffer.from(given ?? '');
  const b = Buffer.from(expected);
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

// --- The receiver ---

const secret = process.env.DIALNOTE_WEBHOOK_SECRET ?? '';
const seen = new Set(); // in production: a table with the event's id as its key

function receive(request, response) {
  const chunks = [];
  let size = 0;
  const refuse = () => response.headersSent || response.writeHead(413, { Connection: 'close' }).end();
  if (Number(request.headers['content-length']) > LIMIT) return refuse();
  request.on('data', (chunk) => {
    size += chunk.length;
    if (size > LIMIT) refuse();
    else chunks.push(chunk);
  });
  request.on('end', () => {
    if (size > LIMIT) return;
    const body = Buffer.concat(chunks); // the bytes, before anything parses them
    const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = request.headers;
    if (!verifyStandard(secret, body, id, timestamp, signatures)) {
      response.writeHead(401).end();
      return;
    }
    const repeated = seen.has(id);
    seen.add(id);
    response.writeHead(204).end(); // answer first: the work can take its time
    if (!repeated) setImmediate(work, JSON.parse(body));
  });
}

function work(event) {
  console.log(`${event.type} ${event.id}`);
}

module.exports = { verifyDialNote, verifyStandard };

if (require.main === module) {
  if (!secret) throw new Error('set DIALNOTE_WEBHOOK_SECRET: without it every sender could sign');
  http.createServer(receive).listen(process.env.PORT ?? 3000, '127.0.0.1');
}
