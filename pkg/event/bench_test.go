package event_test

import (
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
)

func BenchmarkCanonical(b *testing.B) {
	sample := event.Sample(event.CallCompleted, "org_1", "evt_1", time.Unix(1705314600, 0)).Body()
	for name, text := range map[string][]byte{
		"unchanged": sample,
		"changed":   []byte(`{ "b": [1.50, -0.0, 12345678901234567890], "2": "\u0041\ud83d\ude00\/", "1": { "a": null, "a": true } }`),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := event.Canonical(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseJSON(b *testing.B) {
	for _, kind := range event.Types() {
		text := event.Sample(kind, "org_1", "evt_1", time.Unix(1705314600, 0)).Body()
		b.Run(string(kind), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := event.ParseJSON(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBody(b *testing.B) {
	sample := event.Sample(event.CallCompleted, "org_1", "evt_1", time.Unix(1705314600, 0))
	ev, err := event.ParseJSON(sample.Body())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = ev.Body()
	}
}
