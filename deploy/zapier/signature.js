'use strict';

const crypto = require('node:crypto');

// verify throws when a request does not have the signature of its body. It
// needs the raw body, and the secret that subscribing answered; where Zapier
// gives neither, as for samples, there is nothing to verify.
const verify = (z, bundle) => {
  const secret = bundle.subscribeData?.secret;
  const content = bundle.rawRequest?.content;
  if (!secret || content === undefined) {
    return;
  }
  const expected = 'sha256=' + crypto.createHmac('sha256', secret).update(content).digest('hex');
  const given = Buffer.from(header(bundle.rawRequest.headers, 'x-dialnote-signature'));
  if (given.length !== expected.length || !crypto.timingSafeEqual(given, Buffer.from(expected))) {
    throw new z.errors.HaltedError('This request does not have the signature of dialnote: it was passed over.');
  }
};

// header returns a header's value. Zapier puts Http- before most names and
// writes them in its own case.
const header = (headers, name) => {
  const found = Object.entries(headers ?? {}).find(([key]) => key.toLowerCase().replace(/^http-/, '') === name);
  return found ? String(found[1]) : '';
};

module.exports = { verify };
