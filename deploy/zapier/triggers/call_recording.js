'use strict';

const { instantTrigger } = require('../hook');

module.exports = instantTrigger({
  key: 'call_recording',
  noun: 'Call Recording',
  label: 'New Call Recording',
  description: 'Triggers when the recording of a call is ready, with its URL.',
  event: 'recording.completed',
  sample: {
    id: 'evt_sample',
    type: 'recording.completed',
    timestamp: '2024-01-15T10:31:00Z',
    organizationId: 'your-org-id',
    data: {
      callSid: 'CA3f1c5e9a7b2d4806',
      recordingSid: 'RE8d2b6f40c19e5a73',
      recordingUrl: 'https://recordings.dialnote.example/RE8d2b6f40c19e5a73.mp3',
      duration: 180,
      direction: 'inbound',
      phoneNumber: '+15551234567',
      status: 'completed',
      format: 'mp3',
      sizeBytes: 1441792,
      channels: 2,
      startedAt: '2024-01-15T10:27:00Z',
      transcriptUrl: 'https://recordings.dialnote.example/RE8d2b6f40c19e5a73.txt',
    },
  },
  outputFields: [
    { key: 'data__callSid', label: 'Call ID', type: 'string' },
    { key: 'data__recordingSid', label: 'Recording ID', type: 'string' },
    { key: 'data__recordingUrl', label: 'Recording URL', type: 'string' },
    { key: 'data__duration', label: 'Duration (seconds)', type: 'integer' },
    { key: 'data__direction', label: 'Direction', type: 'string' },
    { key: 'data__phoneNumber', label: 'Phone Number', type: 'string' },
    { key: 'data__status', label: 'Status', type: 'string' },
    { key: 'data__format', label: 'Format', type: 'string' },
    { key: 'data__sizeBytes', label: 'Size (bytes)', type: 'integer' },
    { key: 'data__channels', label: 'Channels', type: 'integer' },
    { key: 'data__startedAt', label: 'Started At', type: 'datetime' },
    { key: 'data__transcriptUrl', label: 'Transcript URL', type: 'string' },
  ],
});
