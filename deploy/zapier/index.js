'use strict';

const authentication = require('./authentication');
const { authenticate, explain } = require('./middleware');
const triggers = [require('./triggers/call_log'), require('./triggers/call_recording'), require('./triggers/note')];

module.exports = {
  version: require('./package.json').version,
  platformVersion: require('zapier-platform-core').version,
  authentication,
  beforeRequest: [authenticate],
  afterResponse: [explain],
  triggers: Object.fromEntries(triggers.map((trigger) => [trigger.key, trigger])),
};
