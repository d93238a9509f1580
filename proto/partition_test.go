package proto_test

import (
	"fmt"
	"testing"

	"github.com/dialnote/webhooks/proto"
)

func TestParseStored(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]proto.Stored{
		"dialnote-8.3.acme.call.completed":    {Subject: "dialnote.events.acme.call.completed", Partitions: 8, Partition: 3},
		"dialnote-64.63.a-b_c.x":              {Subject: "dialnote.events.a-b_c.x", Partitions: 64, Partition: 63},
		"dialnote.events.acme.call.completed": {Subject: "dialnote.events.acme.call.completed"},
		"dialnote.events.acme":                {Subject: "dialnote.events.acme"},
		"dialnote-8.8.acme.call.completed":    {Subject: "dialnote-8.8.acme.call.completed"},
		"dialnote-0.0.acme.call.completed":    {Subject: "dialnote-0.0.acme.call.completed"},
		"dialnote-8.x.acme.call.completed":    {Subject: "dialnote-8.x.acme.call.completed"},
		"dialnote-8.3":                        {Subject: "dialnote-8.3"},
	} {
		if got := proto.ParseStored(subject); got != want {
			t.Errorf("%s: %+v, want %+v", subject, got, want)
		}
	}
}

// The partition of an organization never changes while their number does not.
func TestPartition(t *testing.T) {
	t.Parallel()
	for organization, want := range map[string][2]int{"acme": {7, 1}, "demo": {6, 0}, "org_0000000": {6, 1}} {
		if got := [2]int{proto.Partition(organization, 8), proto.Partition(organization, 3)}; got != want {
			t.Errorf("%s: %d of 8 and 3, want %d", organization, got, want)
		}
		if proto.Partition(organization, 1) != 0 {
			t.Errorf("%s is in another partition than the only one", organization)
		}
	}
	used := make(map[int]int)
	for i := range 1000 {
		used[proto.Partition(fmt.Sprintf("org_%d", i), 8)]++
	}
	for p := range 8 {
		if used[p] < 60 {
			t.Errorf("partition %d has %d of 1,000 organizations", p, used[p])
		}
	}
}
