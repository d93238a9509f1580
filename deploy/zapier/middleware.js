'use strict';

// authenticate sends the key with every request.
const authenticate = (request, z, bundle) => {
  if (bundle.authData.apiKey) {
    request.headers['X-DIALNOTE-API-KEY'] = bundle.authData.apiKey;
  }
  return request;
};

// explain turns dialnote's problems (RFC 9457) into the errors that Zapier knows
// how to treat.
const explain = (response, z) => {
  if (response.status === 401) {
    throw new z.errors.Error(
      'The Zapier API key is not valid any more. Copy the current one from Settings → Webhooks in dialnote.',
      'AuthenticationError',
      401,
    );
  }
  if (response.status === 429) {
    throw new z.errors.ThrottledError('dialnote asks to wait a moment.', Number(response.getHeader('retry-after')) || 60);
  }
  if (response.status >= 400) {
    throw new z.errors.Error(detail(response), 'DialnoteError', response.status);
  }
  return response;
};

const detail = (response) => {
  try {
    return JSON.parse(response.content).detail;
  } catch {
    return `dialnote answered ${response.status}.`;
  }
};

module.exports = { authenticate, explain };
