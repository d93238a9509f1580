'use strict';

const { url } = require('./api');
const { verify } = require('./signature');

// The fields that every event has around its data.
const envelope = [
  { key: 'id', label: 'Event ID', type: 'string' },
  { key: 'type', label: 'Event Type', type: 'string' },
  { key: 'timestamp', label: 'Timestamp', type: 'datetime' },
  { key: 'organizationId', label: 'Organization ID', type: 'string' },
];

// instantTrigger returns a trigger that dialnote calls (a REST hook): Zapier
// subscribes when a Zap is turned on and unsubscribes when it is turned off.
const instantTrigger = ({ key, noun, label, description, event, sample, outputFields }) => {
  const subscribe = async (z, bundle) => {
    const body = { targetUrl: bundle.targetUrl, event };
    if (bundle.meta?.zap?.id) {
      body.name = `Zap ${bundle.meta.zap.id}`;
    }
    const response = await z.request({ method: 'POST', url: url('/hooks'), body });
    return response.data; // kept by Zapier as bundle.subscribeData: the id, and the secret for verify
  };
  const unsubscribe = async (z, bundle) => {
    await z.request({ method: 'DELETE', url: url(`/hooks/${encodeURIComponent(bundle.subscribeData.id)}`) });
    return {};
  };
  const receive = (z, bundle) => {
    verify(z, bundle);
    return [bundle.cleanedRequest];
  };
  const list = async (z) => (await z.request(url(`/samples/${event}`))).data;

  return {
    key,
    noun,
    display: { label, description },
    operation: {
      type: 'hook',
      perform: receive,
      performSubscribe: subscribe,
      performUnsubscribe: unsubscribe,
      performList: list,
      sample,
      outputFields: [...envelope, ...outputFields],
    },
  };
};

module.exports = { instantTrigger };
