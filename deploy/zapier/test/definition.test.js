'use strict';

// What Zapier's review looks at, without a system to connect to.
const assert = require('node:assert/strict');
const test = require('node:test');
const { createAppHandler } = require('zapier-platform-core');

const App = require('..');

test('the schema is valid', async () => {
  const { results } = await createAppHandler(App)({ command: 'validate' });
  assert.deepEqual(results, []);
});

for (const trigger of Object.values(App.triggers)) {
  const { label, description } = trigger.display;
  const { sample, outputFields } = trigger.operation;

  test(`${label}: the words are as Zapier wants them`, () => {
    for (const word of label.split(' ')) {
      assert.match(word, /^[A-Z]/);
    }
    assert.match(description, /^Triggers when .*\.$/);
  });

  test(`${label}: the sample has exactly the output fields`, () => {
    const { data, ...rest } = sample;
    const keys = [...Object.keys(rest), ...Object.keys(data).map((key) => `data__${key}`)];
    assert.deepEqual(outputFields.map((field) => field.key), keys);
    for (const field of outputFields) {
      const value = field.key.startsWith('data__') ? data[field.key.slice(6)] : rest[field.key];
      const good = {
        string: (v) => (field.list ? Array.isArray(v) : typeof v === 'string'),
        integer: Number.isInteger,
        datetime: (v) => new Date(v).toISOString().replace('.000Z', 'Z') === v,
      }[field.type];
      assert.ok(good(value), `${field.key} is ${JSON.stringify(value)}`);
    }
  });
}

test('the connection is labelled with the organization and never with the key', () => {
  assert.match(App.authentication.connectionLabel, /\{\{organizationId\}\}/);
  assert.doesNotMatch(App.authentication.connectionLabel, /apiKey/);
  assert.equal(App.authentication.fields[0].type, 'password');
});
