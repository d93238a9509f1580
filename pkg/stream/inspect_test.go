package stream_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/natstest"
	"github.com/dialnote/webhooks/pkg/stream"
)

// Each service has the permissions that it needs; a missing one is found, and
// trying leaves nothing behind.
func TestRefused(t *testing.T) {
	srv := shipped(t)
	api := connectAs(t, srv, "config-api")
	if err := api.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	dispatcher := connectAs(t, srv, "dispatcher")
	for _, c := range []struct {
		who  string
		conn *stream.Conn
		role stream.Role
		want []string
	}{
		{"config-api", api, stream.ConfigAPI(), nil},
		{"dispatcher", dispatcher, stream.Dispatcher(), nil},
		{"config-api as a dispatcher", api, stream.Dispatcher(), []string{
			"publish to dialnote.retries.doctor.doctor", "publish to dialnote.rejected.doctor", "subscribe to dialnote.webhooks.*.*", "subscribe to dialnote.tests",
		}},
		{"a reader of notices as config-api", connectAs(t, srv, "notices"), stream.ConfigAPI(), []string{
			"publish to dialnote.events.doctor.call.completed", "subscribe to dialnote.webhooks.heartbeat.*",
		}},
	} {
		got, err := c.conn.Refused(t.Context(), c.role)
		if err != nil {
			t.Fatalf("%s: %v", c.who, err)
		}
		if c.want == nil && len(got) > 0 {
			t.Errorf("%s is refused %q", c.who, got)
		}
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s is refused %q, and not %q", c.who, got, want)
			}
		}
	}
	i, err := connectAs(t, srv, "operator").Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range i.Streams {
		if s.Missing || s.Replicas != 1 || len(s.Lacking) > 0 {
			t.Errorf("%+v", s)
		}
		if n := len(srv.StoredAs(t, securityOperator(), s.Name)); n > 0 {
			t.Errorf("%d messages are left in %s", n, s.Name)
		}
	}
	if i.TooOld || i.Servers != 1 || i.Waiting != 0 || i.Precision == 0 || i.Ahead.Abs() > time.Second {
		t.Errorf("%+v", i)
	}
}

func TestInspectBeforeAnythingIsThere(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	i, err := c.Inspect(t.Context())
	if err != nil || len(i.Streams) == 0 || i.Ahead != 0 {
		t.Errorf("%+v, %v", i, err)
	}
	for _, s := range i.Streams {
		if !s.Missing {
			t.Errorf("%+v", s)
		}
	}
	srv.Stop()
	for {
		if _, err = c.Inspect(t.Context()); err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestRejectedAreReadAndRemoved(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := connect(t, srv)
	if err := c.Ensure(t.Context(), topology()); err != nil {
		t.Fatal(err)
	}
	for n, subject := range []string{"dialnote.events.acme.call.completed", "dialnote.events.other.note.created", "dialnote.events.acme.x", "dialnote.events.odd"} {
		m := &stream.Message{Subject: subject, ContentType: "text/plain", Data: []byte(subject), Sequence: uint64(n + 1)}
		if err := c.Reject(t.Context(), m, "It is no JSON."); err != nil {
			t.Fatal(err)
		}
	}
	read := func(s stream.RejectedRange, n int) (sequences []uint64) {
		t.Helper()
		list, err := c.Rejected(t.Context(), s, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if string(r.Message.Data) != r.Message.Subject || r.Message.ContentType != "text/plain" || r.Reason != "It is no JSON." || time.Since(r.At) > time.Minute {
				t.Errorf("%+v", r)
			}
			sequences = append(sequences, r.Sequence)
		}
		return sequences
	}
	ever := time.Unix(0, 0)
	for _, c := range []struct {
		span stream.RejectedRange
		n    int
		want []uint64
	}{
		{stream.RejectedRange{Since: ever}, 10, []uint64{1, 2, 3, 4}},
		{stream.RejectedRange{Since: ever}, 2, []uint64{1, 2}},
		{stream.RejectedRange{Since: ever, After: 2}, 10, []uint64{3, 4}},
		{stream.RejectedRange{Since: ever, OrganizationID: "acme"}, 10, []uint64{1, 3}},
		{stream.RejectedRange{Since: ever, OrganizationID: "odd"}, 10, []uint64{4}},
		{stream.RejectedRange{Since: time.Now().Add(time.Minute)}, 10, nil},
	} {
		if got := read(c.span, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.span, got, c.want)
		}
	}
	r, err := c.RejectedAt(t.Context(), 2)
	if err != nil || r.OrganizationID != "other" || r.Message.Subject != "dialnote.events.other.note.created" {
		t.Errorf("%+v, %v", r, err)
	}
	for range 2 { // the second time it is gone
		if err := c.RemoveRejected(t.Context(), 2); err != nil {
			t.Error(err)
		}
	}
	for _, sequence := range []uint64{0, 2, 99} {
		if _, err := c.RejectedAt(t.Context(), sequence); !fault.Is(err, fault.NotFound) {
			t.Errorf("%d: %v", sequence, err)
		}
	}
	if got := read(stream.RejectedRange{Since: ever}, 10); !slices.Equal(got, []uint64{1, 3, 4}) {
		t.Errorf("%v are left", got)
	}
}
