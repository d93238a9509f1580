'use strict';

// url returns the address of a path of dialnote's API, which is set with
// `zapier env:set`. It is read when it is needed, so that tests can choose it.
const url = (path) => {
  const base = process.env.DIALNOTE_API_URL;
  if (!base) {
    throw new Error('Set DIALNOTE_API_URL to the address of the dialnote API, like https://webhooks.example.com');
  }
  return base.replace(/\/+$/, '') + '/v1/zapier' + path;
};

module.exports = { url };
