package stream

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/proto"
)

const (
	// usualPartitions is into how many partitions a new event stream divides its
	// events.
	usualPartitions = 8

	// MostPartitions is into how many it may.
	MostPartitions = 64

	// partitionsKey is the key, in the event stream's metadata, of the number of
	// partitions that the subjects of stored events name; nothing for none. divisionKey
	// is that of the division.
	partitionsKey = "dialnote.partitions"
	divisionKey   = "dialnote.division"

	// retired is the filter of a consumer that hands out only what it has handed out
	// before: no event has such a subject.
	retired = "dialnote.none"
)

// division says which consumers hand out the events to the dispatchers: one for each
// partition and one for the events outside of all partitions, or one for all events.
// The latter is how a stream of an earlier version hands them out, and how one does
// while the number of partitions changes (docs/adr/0014). A division is stored with
// the stream, and never changes: another one, with consumers of other names, takes its
// place.
type division struct {
	Number     int    `json:"number"`               // how many there were before
	Partitions int    `json:"partitions,omitempty"` // 0 when one consumer hands out all events
	From       uint64 `json:"from,omitempty"`       // where its consumers begin; 0 for the first event

	// Before is up to where the consumers of the division before have handed out their
	// events, in the order of consumers, when one consumer takes the place of several:
	// it passes those events by.
	Before []uint64 `json:"before,omitempty"`
}

// divisionOf returns the division of the event stream.
func divisionOf(info *jetstream.StreamInfo) (d division, err error) {
	if text := info.Config.Metadata[divisionKey]; text != "" {
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return d, fmt.Errorf("read the metadata %s of stream %s: %w", divisionKey, info.Config.Name, err)
		}
	}
	return d, nil
}

// text returns the division as it is stored.
func (d division) text() string {
	text, _ := json.Marshal(d) // numbers can always be written
	return string(text)
}

// sharedConsumer is a consumer of a division.
type sharedConsumer struct {
	name   string
	filter string // "" for all events
}

// consumers returns those of a division.
func (d division) consumers() []sharedConsumer {
	if d.Partitions == 0 {
		return []sharedConsumer{{name: d.prefix()}}
	}
	all := make([]sharedConsumer, 0, d.Partitions+1)
	for p := range d.Partitions {
		all = append(all, sharedConsumer{name: d.prefix() + "-" + strconv.Itoa(p), filter: proto.SubjectPartition(d.Partitions, p)})
	}
	return append(all, sharedConsumer{name: d.prefix() + "-other", filter: proto.PrefixEvents + ".>"})
}

// of returns the name of the consumer that hands out an organization's events.
func (d division) of(organizationID string) string {
	if d.Partitions == 0 {
		return d.prefix()
	}
	return d.consumers()[proto.Partition(organizationID, d.Partitions)].name
}

func (d division) prefix() string {
	if d.Number == 0 {
		return dispatchers
	}
	return dispatchers + "-" + strconv.Itoa(d.Number)
}

// numberOf returns the number of the division that a consumer is of, and false for a
// consumer that the dispatchers do not share.
func numberOf(consumer string) (number int, shared bool) {
	rest, shared := strings.CutPrefix(consumer, dispatchers)
	if !shared || rest == "" {
		return 0, shared
	}
	digits, _, _ := strings.Cut(strings.TrimPrefix(rest, "-"), "-")
	number, err := strconv.Atoi(digits)
	return number, err == nil
}

// next returns the division that takes this one's place. last is up to where each of
// this one's consumers has handed out its events.
func (d division) next(partitions int, last []uint64) division {
	n := division{Number: d.Number + 1, Partitions: partitions, From: slices.Min(last) + 1}
	if len(last) > 1 {
		n.Before = last
	}
	return n
}

// passes reports whether an event is passed by, because a consumer of the division
// before has handed it out.
func (d division) passes(stored proto.Stored, sequence uint64) bool {
	switch partitions := len(d.Before) - 1; {
	case partitions < 1:
		return false
	case stored.Partitions == 0:
		return sequence <= d.Before[partitions]
	case stored.Partitions == partitions:
		return sequence <= d.Before[stored.Partition]
	}
	return false
}

// divided returns the configuration of the event stream with the subjects and the
// division that it has, or with the usual ones for a stream that is not there. The
// configuration of another stream is returned as it is.
func divided(cfg jetstream.StreamConfig, info *jetstream.StreamInfo) jetstream.StreamConfig {
	if cfg.Name != proto.StreamEvents {
		return cfg
	}
	partitions, division := strconv.Itoa(usualPartitions), division{Number: 1, Partitions: usualPartitions}.text()
	if info != nil {
		partitions, division = info.Config.Metadata[partitionsKey], info.Config.Metadata[divisionKey]
	}
	cfg.Metadata = maps.Clone(cfg.Metadata)
	if cfg.Metadata == nil {
		cfg.Metadata = make(map[string]string)
	}
	if division != "" {
		cfg.Metadata[divisionKey] = division
	}
	return transformed(cfg, partitions)
}

// transformed returns the configuration of the event stream that stores events under
// subjects with one of so many partitions; with none for "".
func transformed(cfg jetstream.StreamConfig, partitions string) jetstream.StreamConfig {
	cfg.SubjectTransform = nil
	if n, err := strconv.Atoi(partitions); err == nil && n > 0 {
		source, destination := proto.TransformEvents(n)
		cfg.SubjectTransform = &jetstream.SubjectTransformConfig{Source: source, Destination: destination}
		cfg.Metadata[partitionsKey] = partitions
	}
	return cfg
}
