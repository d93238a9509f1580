'use strict';

const { instantTrigger } = require('../hook');

module.exports = instantTrigger({
  key: 'note',
  noun: 'Note',
  label: 'New Note',
  description: 'Triggers when a team member adds a note to a conversation.',
  event: 'note.created',
  sample: {
    id: 'evt_sample',
    type: 'note.created',
    timestamp: '2024-01-15T10:32:00Z',
    organizationId: 'your-org-id',
    data: {
      noteId: 'note_9043',
      conversationId: 'conv_3312',
      body: 'Asked for a quote for 12 seats. Call back on Thursday.',
      authorId: 'usr_2071',
      createdAt: '2024-01-15T10:32:00Z',
      authorName: 'Dana Whitfield',
      callSid: 'CA3f1c5e9a7b2d4806',
      phoneNumber: '+15551234567',
      contactId: 'con_5518',
      contactName: 'Alex Moreno',
    },
  },
  outputFields: [
    { key: 'data__noteId', label: 'Note ID', type: 'string' },
    { key: 'data__conversationId', label: 'Conversation ID', type: 'string' },
    { key: 'data__body', label: 'Note', type: 'string' },
    { key: 'data__authorId', label: 'Author ID', type: 'string' },
    { key: 'data__createdAt', label: 'Created At', type: 'datetime' },
    { key: 'data__authorName', label: 'Author Name', type: 'string' },
    { key: 'data__callSid', label: 'Call ID', type: 'string' },
    { key: 'data__phoneNumber', label: 'Phone Number', type: 'string' },
    { key: 'data__contactId', label: 'Contact ID', type: 'string' },
    { key: 'data__contactName', label: 'Contact Name', type: 'string' },
  ],
});
