'use strict';

const { url } = require('./api');

module.exports = {
  type: 'custom',
  fields: [
    {
      key: 'apiKey',
      label: 'Zapier API Key',
      type: 'password',
      required: true,
      helpText: 'In dialnote, go to Settings → Webhooks and click **Show Key** in the Zapier Integration section.',
    },
  ],
  test: async (z) => (await z.request(url('/me'))).data,
  connectionLabel: 'dialnote ({{organizationId}})', // never the key
};
