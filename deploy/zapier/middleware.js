'use strict';

// authenticate sends the key with every request.
const authenticate = (request, z, bundle) => {
  if (bundle.authData.apiKey) {
    request.headers['X-DIALNOTE-API-KEY'] = bundle.authData.apiKey;
  }
  return request;
};

// explain turns dialnote's problems (RFC 9457) into the errors that Zapier knows
// how to treat. A 429 does not come here: Zapier's library waits as Retry-After
// says.
const explain = (response, z) => {
  if (response.status === 401) {
    throw new z.errors.Error(
      'The Zapier API key is not valid any more. Copy the current one from Settings → Webhooks in dialnote.',
      'AuthenticationError',
      401,
    );
  }
  if (response.status >= 400) {
    throw new z.errors.Error(detail(response), 'DialnoteError', response.status);
  }
  return response;
};

const detail = (response) => {
  let problem;
  try {
    problem = JSON.parse(response.content);
  } catch {
    // It is none of ours: a proxy's, in front of dialnote.
  }
  return typeof problem?.detail === 'string' ? problem.detail : `dialnote answered ${response.status}.`;
};

module.exports = { authenticate, explain };
