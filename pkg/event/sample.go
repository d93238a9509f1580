package event

import "time"

// Sample returns an event of a type with realistic data and every optional
// field, as if it had happened just before now: for the Test button, whose ids
// begin with evt_test_, and for the samples of the APIs. id and organizationID
// must follow ParseJSON's rules. For a type that is not Known, data is empty.
func Sample(t Type, organizationID, id string, now time.Time) Event {
	now = now.UTC().Truncate(time.Second)
	return Event{ID: id, Type: t, Timestamp: now, OrganizationID: organizationID, Data: sampleData(t, now)}
}

func sampleData(t Type, now time.Time) []byte {
	const talk = 180 * time.Second
	at := func(ago time.Duration) string {
		return `"` + now.Add(-ago).Format(time.RFC3339) + `"`
	}
	switch t {
	case CallCompleted:
		return []byte(`{"callSid":"CA3f1c5e9a7b2d4806","direction":"inbound","phoneNumber":"+15551234567",` +
			`"status":"completed","duration":180,"from":"+15551234567","to":"+15557654321",` +
			`"startedAt":` + at(talk) + `,"endedAt":` + at(0) + `,` +
			`"userId":"usr_2071","userName":"Dana Whitfield","contactId":"con_5518","contactName":"Alex Moreno",` +
			`"recordingUrl":"https://recordings.dialnote.example/RE8d2b6f40c19e5a73.mp3","tags":["sales","new-lead"]}`)
	case RecordingCompleted:
		return []byte(`{"callSid":"CA3f1c5e9a7b2d4806","recordingSid":"RE8d2b6f40c19e5a73",` +
			`"recordingUrl":"https://recordings.dialnote.example/RE8d2b6f40c19e5a73.mp3","duration":180,` +
			`"direction":"inbound","phoneNumber":"+15551234567","status":"completed","format":"mp3",` +
			`"sizeBytes":1441792,"channels":2,"startedAt":` + at(talk) + `,` +
			`"transcriptUrl":"https://recordings.dialnote.example/RE8d2b6f40c19e5a73.txt"}`)
	case NoteCreated:
		return []byte(`{"noteId":"note_9043","conversationId":"conv_3312",` +
			`"body":"Asked for a quote for 12 seats. Call back on Thursday.","authorId":"usr_2071",` +
			`"createdAt":` + at(0) + `,"authorName":"Dana Whitfield","callSid":"CA3f1c5e9a7b2d4806",` +
			`"phoneNumber":"+15551234567","contactId":"con_5518","contactName":"Alex Moreno"}`)
	}
	return []byte("{}")
}

// ParseTest returns the event of a test: that of Sample with a new id, or with
// the data that text, {"data": …}, gives. An empty text gives none. Its errors
// are those of ParseJSON.
func ParseTest(text []byte, t Type, organizationID string, now time.Time) (Event, error) {
	sample := Sample(t, organizationID, NewTestID(now), now)
	if len(text) == 0 {
		return sample, nil
	}
	e, err := readEnvelope(text)
	if err != nil {
		return Event{}, err
	}
	for _, made := range []struct {
		key   string
		given *[]byte
		text  string
	}{
		{"id", &e.id, sample.ID},
		{"type", &e.kind, string(t)},
		{"timestamp", &e.timestamp, sample.Timestamp.Format(time.RFC3339)},
		{"organizationId", &e.organizationID, organizationID},
	} {
		if *made.given != nil {
			e.add("/"+made.key, made.key+" of a test cannot be chosen: leave it out.")
		}
		*made.given = appendText(nil, made.text)
	}
	if e.data == nil {
		e.data = sample.Data
	}
	return e.event()
}
