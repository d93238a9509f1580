'use strict';

// What the app makes of answers that a healthy system seldom gives.
const assert = require('node:assert/strict');
const http = require('node:http');
const test = require('node:test');
const { createAppTester } = require('zapier-platform-core');

const App = require('..');

const appTester = createAppTester(App);

// asked has the app ask for samples of a server that answers as told, and
// returns the error it ends with, in the form in which Zapier gets it.
const asked = async (status, headers, body) => {
  let requests = 0;
  const server = http.createServer((request, response) => {
    requests++;
    response.writeHead(status, headers).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env.DIALNOTE_API_URL = `http://127.0.0.1:${server.address().port}/`;
  try {
    await appTester(App.triggers.note.operation.performList, { authData: { apiKey: 'dnk_1' } });
  } catch (err) {
    return { name: err.name, requests, ...JSON.parse(err.message) };
  } finally {
    server.close();
  }
  return assert.fail('it was taken');
};

const json = { 'Content-Type': 'application/problem+json' };

test('Retry-After is handed on to Zapier, and nothing is tried meanwhile', async () => {
  const err = await asked(429, { ...json, 'Retry-After': '17' }, '{"detail":"Too many requests."}');
  assert.deepEqual([err.name, err.delay, err.requests], ['ThrottledError', 17, 1]);
});

test('a problem is shown in its own words', async () => {
  const err = await asked(422, json, '{"type":"urn:dialnote:problem:invalid","detail":"targetUrl is not a URL."}');
  assert.deepEqual([err.message, err.code, err.status], ['targetUrl is not a URL.', 'DialnoteError', 422]);
});

test('an answer that is none of ours has its status', async () => {
  for (const body of ['', '<html>Bad gateway</html>', 'null', '"x"', '{"message":"no"}', '{"detail":{}}']) {
    const err = await asked(502, {}, body);
    assert.deepEqual([err.message, err.status], ['dialnote answered 502.', 502], body);
  }
});

test('a key that is not sent or not known is an authentication error', async () => {
  assert.equal((await asked(401, json, '{"detail":"This credential is not known here."}')).code, 'AuthenticationError');
});
