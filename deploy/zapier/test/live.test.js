'use strict';

// The app against a running system, which these variables name. `make zapier`
// starts one; services/standalone/e2e does the same in `make test`.
const base = process.env.DIALNOTE_API_URL;
const serviceToken = process.env.DIALNOTE_SERVICE_TOKEN;
const organization = 'zapier-app';

const assert = require('node:assert/strict');
const http = require('node:http');
const test = require('node:test');
const { createAppTester } = require('zapier-platform-core');

const App = require('..');

const appTester = createAppTester(App);

// api calls dialnote's API as the platform does.
const api = async (method, path, body) => {
  const response = await fetch(`${base}/v1/organizations/${organization}${path}`, {
    method,
    headers: { Authorization: `Bearer ${serviceToken}`, 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path} answered ${response.status} ${text}`);
  return text && JSON.parse(text);
};

// hooks stands in for hooks.zapier.com: next() gives each request in turn.
const hooks = (() => {
  const came = [];
  const waiting = [];
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      response.end();
      const one = { method: request.method, path: request.url, rawHeaders: request.rawHeaders, content: Buffer.concat(chunks).toString() };
      const taker = waiting.shift();
      if (taker) taker(one);
      else came.push(one);
    });
  });
  return {
    listen: () => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)),
    url: (path) => `http://127.0.0.1:${server.address().port}${path}`,
    next: () => (came.length > 0 ? Promise.resolve(came.shift()) : new Promise((resolve) => waiting.push(resolve))),
    close: () => { server.closeAllConnections(); server.close(); },
  };
})();

// rawRequest is a request in the form in which Zapier gives it to perform: most
// names begin with Http-, and all are in its own case.
const rawRequest = ({ method, rawHeaders, content }) => {
  const headers = {};
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i].toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
    headers[/^Content-(Type|Length)$/.test(name) ? name : `Http-${name}`] = rawHeaders[i + 1];
  }
  return { method, querystring: '', headers, content };
};

// keys are a value's keys, deeply and in order.
const keys = (value) =>
  value && typeof value === 'object' && !Array.isArray(value) ? Object.entries(value).map(([key, v]) => [key, keys(v)]) : null;

let authData;

test.before(async () => {
  assert.ok(base && serviceToken, 'set DIALNOTE_API_URL and DIALNOTE_SERVICE_TOKEN to a running system');
  await hooks.listen();
  authData = { apiKey: (await api('GET', '/zapier-key')).key };
});

test.after(() => hooks.close());

test('the key is good, and the connection is named after the organization', async () => {
  const account = await appTester(App.authentication.test, { authData });
  assert.equal(account.organizationId, organization);
});

test('a wrong key is an authentication error', async () => {
  await assert.rejects(appTester(App.authentication.test, { authData: { apiKey: 'dnk_wrong' } }), (err) => {
    assert.equal(JSON.parse(err.message).code, 'AuthenticationError');
    return true;
  });
});

for (const trigger of Object.values(App.triggers)) {
  const { performSubscribe, performUnsubscribe, performList, perform, sample } = trigger.operation;

  test(`${trigger.display.label}: from turning the Zap on to turning it off`, { timeout: 30_000 }, async () => {
    // Before there is any event, the samples are made up, and alike.
    const made = await appTester(performList, { authData });
    assert.equal(made.length, 1);
    assert.deepEqual(keys(made[0]), keys(sample));

    const path = `/hooks/standard/${trigger.key}/`;
    const subscribeData = await appTester(performSubscribe, { authData, targetUrl: hooks.url(path), meta: { zap: { id: 4711 } } });
    assert.match(subscribeData.id, /^wh_/);
    const webhook = await api('GET', `/webhooks/${subscribeData.id}`);
    assert.deepEqual([webhook.provider, webhook.event, webhook.name], ['zapier', sample.type, 'Zap 4711']);

    // A real event, of which dialnote has added a field since.
    const data = { ...sample.data, addedLater: { deep: [1.5, 'Zoë'] } };
    const { id } = await api('POST', '/events', { type: sample.type, data });
    const request = await hooks.next();
    const cleanedRequest = JSON.parse(request.content);
    assert.deepEqual([request.method, request.path, cleanedRequest.id], ['POST', path, id]);

    const bundle = { authData, subscribeData, cleanedRequest, rawRequest: rawRequest(request) };
    assert.equal(bundle.rawRequest.headers['Http-X-Dialnote-Provider'], 'zapier');
    const [item] = await appTester(perform, bundle);
    assert.deepEqual(item, cleanedRequest);
    assert.deepEqual(item.data, data);

    // What the list gives now is what was delivered, key by key.
    const [latest] = await appTester(performList, { authData });
    assert.deepEqual(latest, item);
    assert.deepEqual(keys(latest), keys(item));

    // A request that is not ours is passed over.
    const changed = { ...bundle, rawRequest: { ...bundle.rawRequest, content: request.content + ' ' } };
    await assert.rejects(appTester(perform, changed), /does not have the signature/);
    const bare = { ...bundle, rawRequest: { ...bundle.rawRequest, headers: {} } };
    await assert.rejects(appTester(perform, bare), /does not have the signature/);

    await appTester(performUnsubscribe, { authData, subscribeData });
    await appTester(performUnsubscribe, { authData, subscribeData }); // Zapier may repeat it
    const left = await api('GET', '/webhooks');
    assert.deepEqual(left.data.map((one) => one.id).filter((one) => one === subscribeData.id), []);
  });
}

test('a subscription that dialnote refuses is explained', async () => {
  await assert.rejects(
    appTester(App.triggers.note.operation.performSubscribe, { authData, targetUrl: 'https://example.com/elsewhere' }),
    (err) => {
      assert.match(JSON.parse(err.message).message, /Zapier/);
      return true;
    },
  );
});

test('Zapier is notified of a subscription deleted in dialnote', { timeout: 30_000 }, async () => {
  const path = '/hooks/standard/deleted/';
  const { id } = await appTester(App.triggers.note.operation.performSubscribe, { authData, targetUrl: hooks.url(path) });
  await api('DELETE', `/webhooks/${id}`);
  const request = await hooks.next();
  assert.deepEqual([request.method, request.path, request.content], ['DELETE', path, '']);
});

test('a hook that is gone ends its subscription', { timeout: 30_000 }, async () => {
  const gone = http.createServer((request, response) => response.writeHead(410).end());
  await new Promise((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const targetUrl = `http://127.0.0.1:${gone.address().port}/gone/`;
  const { id } = await appTester(App.triggers.note.operation.performSubscribe, { authData, targetUrl });
  await api('POST', '/events', { type: 'note.created', data: App.triggers.note.operation.sample.data });
  for (;;) {
    const { data } = await api('GET', '/webhooks');
    if (!data.some((webhook) => webhook.id === id)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  gone.closeAllConnections();
  gone.close();
});

test('a new key ends the old one and no subscription', { timeout: 30_000 }, async () => {
  const path = '/hooks/standard/rotated/';
  const subscribe = App.triggers.note.operation.performSubscribe;
  const { id } = await appTester(subscribe, { authData, targetUrl: hooks.url(path) });
  const { key } = await api('POST', '/zapier-key/rotate');
  await assert.rejects(appTester(App.authentication.test, { authData }), /AuthenticationError/);
  await api('POST', '/events', { type: 'note.created', data: App.triggers.note.operation.sample.data });
  assert.equal((await hooks.next()).path, path);
  authData = { apiKey: key };
  await appTester(App.triggers.note.operation.performUnsubscribe, { authData, subscribeData: { id } });
});
